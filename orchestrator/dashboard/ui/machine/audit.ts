import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { safeLine } from '../../model/safe-text.ts';
import { type AuditEvent, fetchAudit } from '../../net/agent-api.ts';
import { type ApiError, asApiError } from '../../net/api.ts';
import { usePolling } from '../../net/hooks.ts';
import { Ago, Empty, ErrorBox, Loading, said } from '../bits.ts';
import { html, view } from '../html.ts';
import type { TabProps } from './context.ts';
import { NotAllowed } from './offline.ts';

const EVERY_MS = 15_000;

export function AuditTab(props: TabProps): VNode {
  return props.may('audit.read')
    ? view(Events, props)
    : view(NotAllowed, { what: 'see the audit log', right: 'audit.read' });
}

function Events({ at }: TabProps): VNode {
  const [older, setOlder] = useState<{ items: AuditEvent[]; next: string | null } | undefined>(undefined);
  const [failure, setFailure] = useState<ApiError | undefined>(undefined);
  const { data, error, refresh } = usePolling((signal) => fetchAudit(at, null, signal), EVERY_MS, [
    at.org,
    at.id,
  ]);
  const next = older === undefined ? (data?.next_cursor ?? null) : older.next;
  const seen = new Set(data?.items.map(({ id }) => id));
  const items = [...(data?.items ?? []), ...(older?.items ?? []).filter(({ id }) => !seen.has(id))].filter(
    ({ target, detail }) => target === at.id || detail['agent_id'] === at.id,
  );
  const onMore = async () => {
    setFailure(undefined);
    try {
      const page = await fetchAudit(at, next);
      setOlder({ items: [...(older?.items ?? []), ...page.items], next: page.next_cursor });
    } catch (cause) {
      setFailure(asApiError(cause));
    }
  };
  return html`<div>
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: refresh })}
    ${data === undefined && error === undefined ? view(Loading, { what: 'events' }) : null}
    ${data !== undefined && items.length === 0 ? view(Empty, { title: 'No events yet', text: 'Calls, file transfers, changes of labels and of its state appear here.' }) : null}
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
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
    ${next === null ? null : html`<div class="actions"><button type="button" class="button" onClick=${() => void onMore()}>Older events</button></div>`}
  </div>`;
}

const detailText = (detail: Record<string, unknown>): string =>
  Object.entries(detail)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' ');
