import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { OutputGroup, OutputGroups } from '../../../protocol/rest-rollout.ts';
import { formatBytes, plural } from '../model/format.ts';
import { safeLine, safeLines } from '../model/safe-text.ts';
import { type ApiError, asApiError } from '../net/api.ts';
import { fetchGroups } from '../net/endpoints.ts';
import { ErrorBox, StateBadge } from './bits.ts';
import { html, view } from './html.ts';

/** Names in a group's heading. */
const NAMED = 6;

/** Which machines printed the same, and how the others differ. Read when asked for, and again when the job has ended. */
export function GroupsPanel({ org, id, ended }: { org: string; id: string; ended: boolean }): VNode {
  const [asked, setAsked] = useState(false);
  const [found, setFound] = useState<OutputGroups | undefined>(undefined);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!asked) return undefined;
    const stop = new AbortController();
    setError(undefined);
    fetchGroups(org, id, stop.signal).then(setFound, (cause: unknown) => {
      if (!stop.signal.aborted) setError(asApiError(cause));
    });
    return () => stop.abort();
  }, [org, id, asked, ended, round]);
  const again = () => {
    setAsked(true);
    setRound(round + 1);
  };
  return html`<section class="card groups" aria-label="Results compared">
    <div class="card-title"><h2>Results compared</h2>
      <button type="button" class="button small" onClick=${again}>${asked ? 'Compare again' : 'Compare outputs'}</button></div>
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: again })}
    ${asked && found === undefined && error === undefined ? html`<p class="quiet" role="status">Comparing…</p>` : null}
    ${
      found === undefined
        ? null
        : html`<p class="groups-summary" role="status"><b>${found.summary}</b></p>
      ${found.groups.map((group, index) => view(GroupCard, { key: group.key, group, first: index === 0 }))}`
    }
  </section>`;
}

function GroupCard({ group, first }: { group: OutputGroup; first: boolean }): VNode {
  const { state, exit_code, count, targets, stdout, stderr, diff, omitted_bytes } = group;
  const names = targets
    .slice(0, NAMED)
    .map(({ vm_id }) => vm_id)
    .join(', ');
  const more = count > NAMED ? ` and ${count - NAMED} more` : '';
  const text = [stdout, stderr].filter((part) => part !== '').join('\n');
  return html`<details class="group" open=${first}>
    <summary><b>${plural(count, 'machine')}</b> ${view(StateBadge, { state })}${exit_code === null ? null : html` <span class="exit">exit code <b>${exit_code}</b></span>`} <span class="quiet">${safeLine(names)}${more}</span></summary>
    ${omitted_bytes === 0 ? null : html`<p class="quiet">${formatBytes(omitted_bytes)} in the middle are not compared.</p>`}
    ${
      diff !== null
        ? view(DiffText, { diff })
        : text === ''
          ? html`<p class="no-output">No output.</p>`
          : html`<pre class="code" tabIndex="0" aria-label="Output of the group">${safeLines(text)}</pre>`
    }
  </details>`;
}

const classOf = (line: string): string =>
  line.startsWith('+++') || line.startsWith('---') || line.startsWith('@@')
    ? 'diff-head'
    : line.startsWith('+')
      ? 'diff-new'
      : line.startsWith('-')
        ? 'diff-old'
        : '';

/** The sign at a line's begin says it, the colour repeats it. */
function DiffText({ diff }: { diff: string }): VNode {
  return html`<pre class="code diff" tabIndex="0" aria-label="Difference from the largest group">${diff
    .replace(/\n$/, '')
    .split('\n')
    .map(
      (line, index) => html`<span key=${index} class=${classOf(line)}>${`${safeLine(line)}\n`}</span>`,
    )}</pre>`;
}
