import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AnalyzeLog } from '../../../../protocol/log-tools.ts';
import { logSourceOf } from '../../model/log-buffer.ts';
import { safeLine } from '../../model/safe-text.ts';
import { type AgentRef, callTool } from '../../net/agent-api.ts';
import { type ApiError, asApiError } from '../../net/api.ts';
import { ErrorBox, Loading } from '../bits.ts';
import { html, view } from '../html.ts';

const LINES = 10_000;

/** What a log says as a whole; asked for, since it reads much more than its end. */
export function LogAnalysis({ at, source }: { at: AgentRef; source: string }): VNode | null {
  const [report, setReport] = useState<AnalyzeLog | undefined>(undefined);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const place = logSourceOf(source);
  if (place === undefined || !('log_path' in place)) return null;
  const analyze = async () => {
    setBusy(true);
    setError(undefined);
    try {
      setReport(
        (await callTool(at, 'analyze_log_file', { ...place, lines: LINES }, { wait: 50 })) as AnalyzeLog,
      );
    } catch (cause) {
      setError(asApiError(cause));
    }
    setBusy(false);
  };
  return html`<section class="card" aria-labelledby="analysis">
    <div class="tab-bar"><h2 id="analysis">Analysis</h2>
      <button type="button" class="button" disabled=${busy} onClick=${() => void analyze()}>${report === undefined ? `Analyze the last ${LINES} lines` : 'Analyze again'}</button></div>
    ${busy ? view(Loading, { what: 'the analysis' }) : null}
    ${error === undefined ? null : view(ErrorBox, { error })}
    ${report === undefined ? null : view(Summary, { report })}
  </section>`;
}

function Summary({ report }: { report: AnalyzeLog }): VNode {
  return html`<div>
    <p>${report.lines_analyzed} lines, format ${report.format}: ${Object.entries(report.levels)
      .filter(([, count]) => count > 0)
      .map(([level, count]) => `${count} ${level}`)
      .join(', ')}</p>
    <div class="table-box"><table>
      <caption class="hidden">Most frequent messages</caption>
      <thead><tr><th scope="col" class="number">Count</th><th scope="col">Level</th><th scope="col">Message</th></tr></thead>
      <tbody>${report.templates.map(
        ({ count, level, template, example }) =>
          html`<tr key=${template}><td class="number" data-label="Count">${count}</td><td data-label="Level">${level}</td><td class="command" title=${safeLine(example)}><code>${safeLine(template)}</code></td></tr>`,
      )}</tbody></table></div>
    ${
      report.errors.length === 0
        ? null
        : html`<h3>Latest errors</h3><pre class="file-text" tabIndex="0" role="region" aria-label="Latest errors">${report.errors.map(({ text }) => safeLine(text)).join('\n')}</pre>`
    }
  </div>`;
}
