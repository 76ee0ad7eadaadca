import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { TokenAgent } from '../../../protocol/rest-fleet.ts';
import { agentLink } from '../model/route.ts';
import { usePolling } from '../net/hooks.ts';
import { fetchTokenAgents } from '../net/people.ts';
import { Ago, ErrorBox, Loading, said } from './bits.ts';
import { html, view } from './html.ts';

const USES_EVERY_MS = 15_000;

/** Who enrolled with a token; read when somebody asks. */
export function TokenUses({ org, id }: { org: string; id: string }): VNode {
  const [open, setOpen] = useState(false);
  const onToggle = (event: Event) => setOpen((event.currentTarget as HTMLDetailsElement).open);
  return html`<details class="uses" onToggle=${onToggle}>
    <summary>by whom</summary>
    ${open ? view(UseList, { org, id }) : null}
  </details>`;
}

function UseList({ org, id }: { org: string; id: string }): VNode {
  const { data, error, refresh } = usePolling((signal) => fetchTokenAgents(org, id, signal), USES_EVERY_MS, [
    org,
    id,
  ]);
  if (data === undefined)
    return error === undefined
      ? view(Loading, { what: 'agents' })
      : view(ErrorBox, { error, onRetry: refresh });
  if (data.length === 0)
    return html`<p class="quiet">Its machines have enrolled anew with another token since.</p>`;
  return html`<ul class="plain">${data.map((agent) => view(UseLine, { key: agent.agent_id, agent }))}</ul>`;
}

const UseLine = ({ agent }: { agent: TokenAgent }): VNode => html`<li>
  <a href=${agentLink(agent.agent_id)}>${said(agent.vm_id)}</a>
  ${agent.state === 'active' ? null : html` <span class="badge off">${agent.state}</span>`}
  <small>${view(Ago, { at: agent.enrolled_at })}${agent.address === null ? null : html` from ${said(agent.address)}`}</small>
</li>`;
