import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { AuditEvent } from '../../../protocol/rest-audit.ts';
import { safeLine, safeLines } from '../model/safe-text.ts';
import { type AuditFilter, auditExportPath, fetchAudit, type Log } from '../net/audit.ts';
import { AuditVerify } from './audit-verify.ts';
import { Ago, absolute, Empty, ErrorBox, Loading, PageTitle, said } from './bits.ts';
import { html, view } from './html.ts';
import { AuditParts } from './parts.ts';
import { usePages } from './use-pages.ts';

const EVENTS_EVERY_MS = 3000;
const TYPING_MS = 250;
const NONE: AuditFilter = { action: '', actor: '', target: '', since: '', until: '' };

const FIELDS: readonly { key: keyof AuditFilter; label: string; hint: string; type: string }[] = [
  { key: 'action', label: 'Action', hint: 'e.g. token or job.submit', type: 'text' },
  { key: 'actor', label: 'Who', hint: 'name or id', type: 'text' },
  { key: 'target', label: 'Target', hint: 'id', type: 'text' },
  { key: 'since', label: 'From', hint: '', type: 'datetime-local' },
  { key: 'until', label: 'Before', hint: '', type: 'datetime-local' },
];

/** What was done, by whom; newer events come by themselves. */
export function AuditPage({
  org,
  system,
  query,
}: {
  org: string;
  /** Whether the person may see the log of the whole orchestrator. */
  system: boolean;
  query: ReadonlyMap<string, string>;
}): VNode {
  const [whole, setWhole] = useState(false);
  const log: Log = whole ? undefined : org;
  const choose = (event: Event) => setWhole((event.currentTarget as HTMLSelectElement).value === 'system');
  return html`<div>
    ${view(
      PageTitle,
      { title: 'Audit' },
      html`<div class="audit-actions">
        ${
          system
            ? html`<select aria-label="Log" value=${whole ? 'system' : 'org'} onChange=${choose}>
              <option value="org">This organization</option>
              <option value="system">Whole orchestrator</option>
            </select>`
            : null
        }
        <a class="button" href=${auditExportPath(log)} download>Export</a>
      </div>`,
    )}
    ${view(AuditParts, { at: 'audit' })}
    ${view(AuditVerify, { log, key: `verify ${log}` })}
    ${view(Events, { log, query, key: `events ${log}` })}
  </div>`;
}

function Events({ log, query }: { log: Log; query: ReadonlyMap<string, string> }): VNode {
  const [filter, setFilter] = useState<AuditFilter>({
    ...NONE,
    ...Object.fromEntries(FIELDS.flatMap(({ key }) => (query.has(key) ? [[key, query.get(key) ?? '']] : []))),
  });
  const inputs = Object.values(filter);
  const settled = useSettled(filter);
  return html`<div>
    <form class="audit-filter" role="search" aria-label="Filter events" onSubmit=${(event: Event) => event.preventDefault()}>
      ${FIELDS.map(
        ({ key, label, hint, type }) => html`<label key=${key} class="field"><span>${label}</span>
        <input type=${type} value=${filter[key]} placeholder=${hint} onInput=${(event: Event) =>
          setFilter({ ...filter, [key]: (event.currentTarget as HTMLInputElement).value })} /></label>`,
      )}
      <button type="button" class="button ghost" disabled=${inputs.every((value) => value === '')}
        onClick=${() => setFilter(NONE)}>Clear</button>
    </form>
    ${view(EventTable, { log, filter: settled, key: JSON.stringify(settled) })}
  </div>`;
}

/** What is typed, once nothing more is typed for a moment: each filter is a question to the orchestrator. */
function useSettled<T>(value: T): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), TYPING_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

function EventTable({ log, filter }: { log: Log; filter: AuditFilter }): VNode {
  const {
    items: events,
    error,
    refresh,
    older,
    olderError,
  } = usePages((cursor, signal) => fetchAudit(log, filter, cursor, signal), EVENTS_EVERY_MS, [
    JSON.stringify(log),
  ]);
  if (events === undefined)
    return error === undefined
      ? view(Loading, { what: 'events' })
      : view(ErrorBox, { error, onRetry: refresh });
  if (events.length === 0)
    return view(Empty, {
      title: 'No such events',
      text: 'Nothing that was recorded fits the filter. Clear it, or choose another time.',
    });
  return html`<div>
    <div class="table-box"><table class="audit">
      <caption class="hidden">Events, newest first</caption>
      <thead><tr><th scope="col">When</th><th scope="col">Action</th><th scope="col">Who</th><th scope="col">Target</th><th scope="col">Details</th></tr></thead>
      <tbody>${events.map((event) => view(EventRow, { key: event.id, event }))}</tbody>
    </table></div>
    ${olderError === undefined ? null : view(ErrorBox, { error: olderError })}
    ${older === undefined ? null : html`<p class="actions"><button type="button" class="button" onClick=${older}>Older events</button></p>`}
  </div>`;
}

function EventRow({ event }: { event: AuditEvent }): VNode {
  const { actor } = event;
  const number = event.seq === null ? 'not sealed yet' : `№ ${event.seq ?? event.id}`;
  const erased = (event.erased ?? []).length > 0;
  return html`<tr>
    <td data-label="When" class="when">${view(Ago, { at: event.at })}</td>
    <td data-label="Action" class="name"><code>${safeLine(event.action)}</code></td>
    <td data-label="Who">${actor.name === '' ? html`<span class="quiet">erased</span>` : said(actor.name)}
      ${event.address === null ? null : html`<small>${said(event.address)}</small>`}</td>
    <td data-label="Target" class="where">${event.target === null ? html`<span class="quiet">none</span>` : html`<code title=${safeLine(event.target)}>${safeLine(event.target)}</code>`}</td>
    <td data-label="Details"><details>
      <summary aria-label=${`${number}: details of ${safeLine(event.action)}`}>${number}</summary>
      <dl class="audit-detail">
        <div><dt>Time</dt><dd>${absolute(event.at)}</dd></div>
        <div><dt>Who</dt><dd>${safeLine(`${actor.type} ${actor.id}`)}</dd></div>
        ${event.target === null ? null : html`<div><dt>Target</dt><dd>${safeLine(event.target)}</dd></div>`}
        <div><dt>Event</dt><dd>${event.id}</dd></div>
        ${erased ? html`<div><dt>Erased</dt><dd>${(event.erased ?? []).join(', ')}</dd></div>` : null}
      </dl>
      <pre class="code">${safeLines(JSON.stringify(event.detail, null, 2))}</pre>
    </details></td>
  </tr>`;
}
