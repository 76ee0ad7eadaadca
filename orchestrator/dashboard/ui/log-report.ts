import type { VNode } from 'preact';
import type { AnalyzeLog } from '../../../protocol/log-tools.ts';
import { formatDuration, plural } from '../model/format.ts';
import {
  type Bucket,
  bucketsOf,
  clockTime,
  type LogRange,
  levelShares,
  levelTone,
  patternNames,
  scopeText,
  templateParts,
} from '../model/log-report.ts';
import { safeLine } from '../model/safe-text.ts';
import { html, view } from './html.ts';

export interface LogReportProps {
  /** What analyze_log_file answered. */
  report: AnalyzeLog;
  /** A bucket of the histogram was chosen: ask again with these. */
  onRange: (range: LogRange) => void;
  /** A pattern was chosen: ask again with `pattern`. */
  onPattern: (id: string) => void;
}

/** The answer of analyze_log_file as a page: histogram, findings, errors and patterns. */
export function LogReport(props: LogReportProps): VNode {
  const { report } = props;
  const masked = Object.entries(report.masked).map(([kind, count]) => `${count} ${kind}`);
  return html`<div class="log-report">
    ${view(Summary, { report })}
    ${view(Histogram, props)}
    ${view(Findings, props)}
    ${view(Changes, props)}
    ${view(Errors, props)}
    ${view(Patterns, props)}
    ${view(LastLines, { report })}
    ${masked.length === 0 ? null : html`<p class="quiet">Masked here: ${safeLine(masked.join(', '))}</p>`}
  </div>`;
}

function Summary({ report }: Pick<LogReportProps, 'report'>): VNode {
  const assumed = [...(report.year_inferred ? ['year'] : []), ...(report.zone_inferred ? ['zone'] : [])].join(
    ' and ',
  );
  return html`<header class="log-summary">
    <p><code>${safeLine(report.log_path)}</code> <span class="quiet">${scopeText(report)} · ${safeLine(report.format)}</span></p>
    ${
      report.first_time === undefined || report.last_time === undefined
        ? null
        : html`<p><time dateTime=${report.first_time}>${clockTime(report.first_time)}</time> to <time
            dateTime=${report.last_time}>${clockTime(report.last_time)}</time> UTC${
              assumed === '' ? null : html` <span class="quiet">(${assumed} assumed)</span>`
            }</p>`
    }
    <ul class="log-levels" aria-label="Messages by level">
      ${levelShares(report.levels).map(
        ({ level, count }) =>
          html`<li key=${level} class=${`level ${levelTone(level)}`}><b>${count}</b> ${level}</li>`,
      )}
      ${report.levels_guessed === 0 ? null : html`<li class="quiet">${report.levels_guessed} guessed from words</li>`}
    </ul>
  </header>`;
}

function Histogram({ report, onRange }: LogReportProps): VNode | null {
  const buckets = bucketsOf(report);
  const [first] = buckets;
  const last = buckets.at(-1);
  if (first === undefined || last === undefined || report.histogram === undefined) return null;
  const { bucket_s: seconds, untimed } = report.histogram;
  return html`<section class="log-histogram" aria-label="Lines over time">
    <div class="log-buckets">
      ${buckets.map((bucket) => view(BucketBar, { key: bucket.since, bucket, onRange }))}
    </div>
    <p class="log-axis quiet"><span>${clockTime(first.since)}</span>
      <span>${formatDuration(seconds * 1000)} each${untimed === 0 ? '' : ` · ${plural(untimed, 'line')} without a time`}</span>
      <span>${clockTime(last.until)}</span></p>
  </section>`;
}

function BucketBar({ bucket, onRange }: { bucket: Bucket; onRange: LogReportProps['onRange'] }): VNode {
  const { since, until, height, errorHeight, label } = bucket;
  const bar = (share: number, kind: string) =>
    html`<rect class=${kind} x="0" width="10" y=${100 - share * 100} height=${share * 100} />`;
  return html`<button type="button" class="log-bucket" title=${label} aria-label=${label}
    onClick=${() => onRange({ since, until })}>
    <svg viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true">${bar(height, 'lines')}${bar(errorHeight, 'errors')}</svg>
  </button>`;
}

function Findings({ report, onPattern }: LogReportProps): VNode | null {
  if (report.findings.length === 0) return null;
  const names = patternNames(report);
  return html`<section aria-labelledby="log-findings"><h3 id="log-findings">What stands out</h3>
    <ul class="log-findings">
      ${report.findings.map(
        ({ kind, text, at, patterns = [] }, index) => html`<li key=${index} class=${kind}>
          <span class="badge">${kind.replace('_', ' ')}</span> ${safeLine(text)}
          ${at === undefined ? null : html` <time class="quiet" dateTime=${at}>${clockTime(at)}</time>`}
          ${patterns.map((id) => view(PatternLink, { key: id, id, name: names.get(id), onPattern }))}
        </li>`,
      )}
    </ul></section>`;
}

function PatternLink({
  id,
  name,
  onPattern,
}: {
  id: string;
  name: string | undefined;
  onPattern: LogReportProps['onPattern'];
}): VNode {
  return html`<button type="button" class="log-pattern" title=${`Pattern ${id}`} onClick=${() => onPattern(id)}>
    ${name === undefined ? id : view(Template, { template: name })}</button>`;
}

function Template({ template }: { template: string }): VNode {
  return html`<code>${templateParts(template).map(({ text, varies }) =>
    varies ? html`<span class="varies">${text}</span>` : safeLine(text),
  )}</code>`;
}

function Changes({ report, onPattern }: LogReportProps): VNode | null {
  const { changes, windows } = report;
  if (changes === undefined || windows === undefined) return null;
  return html`<section aria-labelledby="log-changes"><h3 id="log-changes">What changed</h3>
    <p class="quiet">The last ${formatDuration(windows.now_s * 1000)} against ${formatDuration(windows.before_s * 1000)} before.</p>
    ${
      changes.length === 0
        ? html`<p>Nothing beyond chance.</p>`
        : html`<div class="table-box"><table>
          <thead><tr><th scope="col">Change</th><th scope="col">Before</th><th scope="col">Now</th><th scope="col">Level</th><th scope="col">Message</th></tr></thead>
          <tbody>${changes.map(
            ({ change, before, now, level, pattern, template }) => html`<tr key=${pattern}>
              <td data-label="Change">${change}</td><td class="number" data-label="Before">${before}</td><td class="number" data-label="Now">${now}</td>
              <td data-label="Level"><span class=${`level ${levelTone(level)}`}>${level}</span></td>
              <td data-label="Message">${view(PatternLink, { id: pattern, name: template, onPattern })}</td></tr>`,
          )}</tbody></table></div>`
    }</section>`;
}

function Errors({ report }: LogReportProps): VNode | null {
  if (report.errors.length === 0) return null;
  const { other_errors: others } = report;
  return html`<section aria-labelledby="log-errors"><h3 id="log-errors">Errors</h3>
    <ul class="log-errors">
      ${report.errors.map(
        ({ count, line, text, stack, time }, index) => html`<li key=${index}>
          <p><b>${count} ×</b> <code>${safeLine(text)}</code>${' '}
            <small class="quiet">line ${line}${time === undefined ? '' : `, ${clockTime(time)}`}</small></p>
          ${
            stack === undefined
              ? null
              : html`<details><summary>Stack</summary><pre>${stack.map(safeLine).join('\n')}</pre></details>`
          }
        </li>`,
      )}
    </ul>
    ${others === undefined ? null : html`<p class="quiet">and ${others.groups} more groups with ${others.count} errors</p>`}
  </section>`;
}

function Patterns({ report, onPattern }: LogReportProps): VNode | null {
  if (report.patterns.length === 0) return null;
  const { other_patterns: others } = report;
  return html`<section aria-labelledby="log-patterns"><h3 id="log-patterns">Messages</h3>
    <div class="table-box"><table class="log-patterns">
      <thead><tr><th scope="col" class="number">Count</th><th scope="col" class="number">Share</th><th scope="col">Level</th><th scope="col">Message</th><th scope="col">Last seen</th></tr></thead>
      <tbody>${report.patterns.map(
        ({
          id,
          count,
          share,
          level,
          template,
          example,
          last_time: last,
          more_examples: more,
        }) => html`<tr key=${id}>
          <td class="number" data-label="Count">${count}</td><td class="number" data-label="Share">${(share * 100).toFixed(1)} %</td>
          <td data-label="Level"><span class=${`level ${levelTone(level)}`}>${level}</span></td>
          <td data-label="Message" title=${safeLine(example)}>${view(PatternLink, { id, name: template, onPattern })}
            ${more === undefined ? null : html`<pre>${[example, ...more].map(safeLine).join('\n')}</pre>`}</td>
          <td data-label="Last">${last === undefined ? '' : clockTime(last)}</td></tr>`,
      )}</tbody></table></div>
    ${others === undefined ? null : html`<p class="quiet">and ${plural(others.patterns, 'more pattern')} with ${plural(others.count, 'message')}</p>`}
  </section>`;
}

function LastLines({ report }: Pick<LogReportProps, 'report'>): VNode | null {
  if (report.last_lines.length === 0) return null;
  return html`<section aria-labelledby="log-last"><h3 id="log-last">Last lines</h3>
    <pre class="log-last" tabIndex="0" aria-label="Last lines">${report.last_lines.map(safeLine).join('\n')}</pre></section>`;
}
