import type { VNode } from 'preact';

import { useRef } from 'preact/hooks';
import { agentLink } from '../model/route.ts';
import { fetchAgents } from '../net/endpoints.ts';
import { usePolling } from '../net/hooks.ts';
import { OnlineState } from './agents-table.ts';
import { said } from './bits.ts';
import { html, view } from './html.ts';

const ARRIVALS_EVERY_MS = 2000;

/** Machines that were not there when the line was made. */
export function Arrivals({ org }: { org: string }): VNode {
  const { data: agents } = usePolling((signal) => fetchAgents(org, signal), ARRIVALS_EVERY_MS, [org]);
  const before = useRef<ReadonlySet<string> | undefined>(undefined);
  if (agents !== undefined) before.current ??= new Set(agents.map(({ agent_id }) => agent_id));
  const fresh = (agents ?? []).filter(({ agent_id }) => !before.current?.has(agent_id));
  return html`<section class="card" aria-labelledby="arrivals-title">
    <h2 id="arrivals-title">New machines</h2>
    <div aria-live="polite">
      ${
        fresh.length === 0
          ? html`<p class="waiting"><span class="spinner" aria-hidden="true"></span>Waiting for the machine to appear…</p>`
          : html`<ul class="arrivals">${fresh.map(
              (agent) => html`<li key=${agent.agent_id}>
              <a href=${agentLink(agent.agent_id)}>${agent.vm_id}</a> <span class="quiet">${said(agent.facts?.os_name ?? '')}</span>
              ${view(OnlineState, { agent })}
            </li>`,
            )}</ul>
          <p><a class="button" href="#/agents">To the agents</a></p>`
      }
    </div>
  </section>`;
}
