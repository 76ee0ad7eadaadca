import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AnalyzeLog } from '../../../../protocol/log-tools.ts';
import { logSourceOf } from '../../model/log-buffer.ts';
import { type AgentRef, callTool } from '../../net/agent-api.ts';
import { type ApiError, asApiError } from '../../net/api.ts';
import { ErrorBox, Loading } from '../bits.ts';
import { html, view } from '../html.ts';
import { LogReport } from '../log-report.ts';

const LINES = 10_000;

/** What a report is narrowed to: a time of its histogram, or one of its patterns. */
type Focus = { since: string; until: string } | { pattern: string } | undefined;

/** What a log says as a whole; asked for, since it reads much more than its end. */
export function LogAnalysis({ at, source }: { at: AgentRef; source: string }): VNode | null {
  const [report, setReport] = useState<AnalyzeLog | undefined>(undefined);
  const [focus, setFocus] = useState<Focus>(undefined);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const place = logSourceOf(source);
  if (place === undefined) return null;
  const log_path = 'log_path' in place ? place.log_path : `journal:${place.unit}`;
  const analyze = async (wanted: Focus) => {
    setBusy(true);
    setError(undefined);
    try {
      // A time that was chosen is read whole; its lines need not be the last ones.
      const lines = wanted !== undefined && 'since' in wanted ? {} : { lines: LINES };
      const args = { log_path, ...lines, ...wanted };
      setReport((await callTool(at, 'analyze_log_file', args, { wait: 50 })) as AnalyzeLog);
      setFocus(wanted);
    } catch (cause) {
      setError(asApiError(cause));
    }
    setBusy(false);
  };
  return html`<section class="card" aria-labelledby="analysis">
    <div class="tab-bar"><h2 id="analysis">Analysis</h2>
      ${
        focus === undefined
          ? null
          : html`<button type="button" class="button" disabled=${busy} onClick=${() => void analyze(undefined)}>Back to the whole</button>`
      }
      <button type="button" class="button" disabled=${busy} onClick=${() => void analyze(focus)}>${report === undefined ? `Analyze the last ${LINES} lines` : 'Analyze again'}</button></div>
    ${busy ? view(Loading, { what: 'the analysis' }) : null}
    ${error === undefined ? null : view(ErrorBox, { error })}
    ${
      report === undefined
        ? null
        : view(LogReport, {
            report,
            onRange: (range) => void analyze(range),
            onPattern: (pattern) => void analyze({ pattern }),
          })
    }
  </section>`;
}
