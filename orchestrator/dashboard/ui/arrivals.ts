import type { VNode } from 'preact';

import { useRef } from 'preact/hooks';
import { agentLink } from '../model/route.ts';
import { useFleet } from '../net/fleet-feed.ts';
import { OnlineState } from './agents-table.ts';
import { said } from './bits.ts';
import { html, view } from './html.ts';

/** Machines that were not there when the line was made. */
export function Arrivals({ org }: { org: string }): VNode {
  const { fleet, loaded } = useFleet(org);
  const before = useRef<ReadonlySet<string> | undefined>(undefined);
  if (loaded) before.current ??= new Set(fleet.byId.keys());
  const fresh = fleet.sorted
    .map(({ machine }) => machine)
    .filter(({ agent_id }) => before.current !== undefined && !before.current.has(agent_id));
  return html`<section class="card" aria-labelledby="arrivals-title">
    <h2 id="arrivals-title">New machines</h2>
    <div aria-live="polite">
      ${
        fresh.length === 0
          ? html`<p class="waiting"><span class="spinner" aria-hidden="true"></span>Waiting for the machine to appear…</p>`
          : html`<ul class="arrivals">${fresh.map(
              (agent) => html`<li key=${agent.agent_id}>
              <a href=${agentLink(agent.agent_id)}>${agent.vm_id}</a> <span class="quiet">${said(agent.os)}</span>
              ${view(OnlineState, { agent })}
            </li>`,
            )}</ul>
          <p><a class="button" href="#/agents">To the agents</a></p>`
      }
    </div>
  </section>`;
}
