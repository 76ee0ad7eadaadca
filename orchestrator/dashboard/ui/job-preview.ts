import type { VNode } from 'preact';
import type { Preview, PreviewTarget } from '../../../protocol/rest-rollout.ts';
import { plural } from '../model/format.ts';
import { safeLine } from '../model/safe-text.ts';
import type { ApiError } from '../net/api.ts';
import { ErrorBox } from './bits.ts';
import { html, view } from './html.ts';
import { VirtualList } from './virtual-list.ts';

export interface Previewed {
  preview: Preview | undefined;
  error: ApiError | undefined;
  /** What is shown is of a request before. */
  stale: boolean;
}

/** As in jobs.css. */
const ROW_PX = 40;

/** Who is hit, before anything is. */
export function PreviewCard({ previewed }: { previewed: Previewed }): VNode {
  const { preview, error, stale } = previewed;
  return html`<section class="card preview" aria-label="Who is hit" aria-busy=${stale}>
    <h2>Who is hit</h2>
    ${error === undefined ? null : view(ErrorBox, { error })}
    ${preview === undefined ? (error === undefined ? html`<p class="quiet" role="status">Looking…</p>` : null) : view(Found, { preview })}
  </section>`;
}

function Found({ preview }: { preview: Preview }): VNode {
  const { total, online, offline, unsupported, waves, concurrency, max_failures, notices, targets, omitted } =
    preview;
  const row = ({
    vm_id,
    wave,
    online: here,
    note,
  }: PreviewTarget) => html`<div class=${`target ${wave === null ? '' : 'with-wave'}`}>
    <span class="vm">${vm_id}</span>
    ${wave === null ? null : html`<span class="quiet target-wave">wave ${wave}</span>`}
    <span class=${`online ${here ? 'yes' : 'no'}`}><span class="dot" aria-hidden="true"></span>${here ? 'online' : 'offline'}</span>
    <span class="quiet target-why" title=${note ?? ''}>${note ?? ''}</span>
  </div>`;
  return html`<div>
    <p role="status"><b>${plural(total, 'machine')}</b>: ${online} online, ${offline} offline${unsupported > 0 ? html`, <span class="bad-text">${unsupported} without this tool</span>` : null}</p>
    ${waves.length === 0 ? null : html`<p class="quiet">${waves.map(({ wave, size }) => `wave ${wave}: ${size}`).join(' · ')}</p>`}
    ${concurrency === null ? null : html`<p class="quiet">at most ${concurrency} at the same time; ${max_failures === 0 ? 'stops at the first failure' : `stops when more than ${max_failures} fail`}</p>`}
    ${notices.map(({ kind, text }) => html`<p key=${kind + text} class="notice warn"><span>${safeLine(text)}</span></p>`)}
    ${view(VirtualList<PreviewTarget>, { items: targets, rowHeight: ROW_PX, label: 'Machines that are hit', row })}
    ${omitted === 0 ? null : html`<p class="quiet">and ${omitted} more</p>`}
  </div>`;
}
