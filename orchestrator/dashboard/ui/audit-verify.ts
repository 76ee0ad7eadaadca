import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AuditReport } from '../../../protocol/audit-log.ts';
import { plural } from '../model/format.ts';
import { safeLine } from '../model/safe-text.ts';
import { type ApiError, asApiError } from '../net/api.ts';
import { type Log, verifyAudit } from '../net/audit.ts';
import { CopyButton, ErrorBox } from './bits.ts';
import { html, view } from './html.ts';

/** The log verifies itself when it is asked to, and says by what. */
export function AuditVerify({ log }: { log: Log }): VNode {
  const [report, setReport] = useState<AuditReport | undefined>(undefined);
  const [failure, setFailure] = useState<ApiError | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    setFailure(undefined);
    try {
      setReport(await verifyAudit(log));
    } catch (cause) {
      setFailure(asApiError(cause));
      setReport(undefined);
    }
    setBusy(false);
  };
  return html`<section class="card audit-verify" aria-label="Verification">
    <div class="card-title">
      <p>Every event is sealed into a signed log. Agents keep its checkpoints, so that nobody can rewrite it unseen.</p>
      <button type="button" class="button primary" aria-disabled=${busy} onClick=${() => (busy ? undefined : void run())}>
        ${busy ? 'Verifying…' : 'Verify the log'}
      </button>
    </div>
    <div role="status">${report === undefined ? null : view(Report, { report })}</div>
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
  </section>`;
}

function verdict({ problem, size }: AuditReport): VNode {
  if (problem === undefined)
    return html`<p class="good-text"><strong>The log is good.</strong> ${plural(size, 'event')}, each as it was sealed.</p>`;
  const where =
    problem.until === undefined
      ? `event ${problem.seq}`
      : `between events ${problem.seq} and ${problem.until}`;
  return html`<div class="notice bad" role="alert"><p>
    <strong>The log is not what was sealed.</strong> First bad: ${where}: ${problem.kind}, ${safeLine(problem.why)}.
  </p></div>`;
}

function Report({ report }: { report: AuditReport }): VNode {
  const { witnesses } = report;
  const disagree = witnesses.filter(({ agrees }) => !agrees);
  return html`<div class="audit-report">
    ${verdict(report)}
    <dl class="facts">
      <div><dt>Head</dt><dd>${report.size} <code>${report.root}</code></dd></div>
      <div><dt>Witnesses</dt><dd>${
        witnesses.length === 0
          ? 'none yet: agents keep checkpoints from their next heartbeat on'
          : `${witnesses.length - disagree.length} of ${witnesses.length} agree`
      }${disagree.map(({ who, size }) => html`<small key=${who}>${safeLine(who)} keeps another log of ${plural(size, 'event')}</small>`)}</dd></div>
      <div><dt>Checked</dt><dd>${plural(report.checked, 'event')}${report.erased > 0 ? `, ${report.erased} with erased fields` : ''}${report.unsealed > 0 ? `, ${report.unsealed} not sealed yet` : ''}</dd></div>
      <div><dt>Checkpoints</dt><dd>${report.checkpoints}</dd></div>
      ${report.retained > 0 ? html`<div><dt>Dropped</dt><dd>events up to ${report.retained}, on purpose</dd></div>` : null}
      <div><dt>Key</dt><dd><code>${report.key}</code> ${view(CopyButton, { text: report.key, what: 'the key' })}</dd></div>
    </dl>
  </div>`;
}
