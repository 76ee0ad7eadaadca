import type { VNode } from 'preact';
import { safeLine } from '../../model/safe-text.ts';
import { fetchAudit } from '../../net/agent-api.ts';
import { Ago, Empty, ErrorBox, Loading, said } from '../bits.ts';
import { html, view } from '../html.ts';
import { usePages } from '../use-pages.ts';
import type { TabProps } from './context.ts';
import { NotAllowed } from './offline.ts';

const EVERY_MS = 15_000;

export function AuditTab(props: TabProps): VNode {
  return props.may('audit.read')
    ? view(Events, props)
    : view(NotAllowed, { what: 'see the audit log', right: 'audit.read' });
}

function Events({ at }: TabProps): VNode {
  const {
    items: all,
    error,
    refresh,
    older,
    olderError,
  } = usePages((cursor, signal) => fetchAudit(at, cursor, signal), EVERY_MS, [at.org, at.id]);
  const items = (all ?? []).filter(({ target, detail }) => target === at.id || detail['agent_id'] === at.id);
  return html`<div>
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: refresh })}
    ${all === undefined && error === undefined ? view(Loading, { what: 'events' }) : null}
    ${all !== undefined && items.length === 0 ? view(Empty, { title: 'No events yet', text: 'Calls, file transfers, changes of labels and of its state appear here.' }) : null}
    ${
      items.length === 0
        ? null
        : html`<div class="table-box"><table class="history">
            <caption class="hidden">Events about this machine, the newest first</caption>
            <thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">Who</th><th scope="col">From</th></tr></thead>
            <tbody>${items.map(
              (event) => html`<tr key=${event.id}><td data-label="When">${view(Ago, { at: event.at })}</td>
                <td class="command" data-label="What">${said(event.action)} <code>${safeLine(detailText(event.detail))}</code></td>
                <td data-label="Who">${said(event.actor.name)}</td><td data-label="From">${said(event.address ?? '')}</td></tr>`,
            )}</tbody></table></div>`
    }
    ${olderError === undefined ? null : view(ErrorBox, { error: olderError })}
    ${older === undefined ? null : html`<div class="actions"><button type="button" class="button" onClick=${older}>Older events</button></div>`}
  </div>`;
}

const detailText = (detail: Record<string, unknown>): string =>
  Object.entries(detail)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
