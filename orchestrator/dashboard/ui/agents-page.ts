import type { VNode } from 'preact';

import { useState } from 'preact/hooks';
import type { Agent } from '../../../protocol/rest-fleet.ts';
import { plural } from '../model/format.ts';
import { fetchAgents } from '../net/endpoints.ts';
import { usePolling } from '../net/hooks.ts';
import { createStore, useStore } from '../net/store.ts';
import { AgentsTable } from './agents-table.ts';
import { Empty, ErrorBox, Loading, PageTitle } from './bits.ts';
import { Composer, draft } from './composer.ts';
import { html, view } from './html.ts';

const AGENTS_EVERY_MS = 3000;
/** Rows drawn at once; a filter finds the others. */
const MAX_ROWS = 200;

const selection = createStore<ReadonlySet<string>>(new Set());

/** A machine matches when each word is found in its names, system or labels. */
function matches(agent: Agent, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const labels = Object.entries({ ...agent.reported_labels, ...agent.labels }).map(([k, v]) => `${k}=${v}`);
  const text = [
    agent.vm_id,
    agent.agent_id,
    agent.hostname,
    agent.facts?.os_name,
    agent.version,
    agent.state,
    agent.online ? 'online' : 'offline',
    ...labels,
  ]
    .join(' ')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

const byState = (a: Agent, b: Agent): number =>
  Number(b.online) - Number(a.online) || a.vm_id.localeCompare(b.vm_id);

export function AgentsPage({ org }: { org: string }): VNode {
  const polled = usePolling((signal) => fetchAgents(org, signal), AGENTS_EVERY_MS, [org]);
  const selected = useStore(selection);
  const [filter, setFilter] = useState('');
  const { data: agents, error, refresh } = polled;

  const addLink = html`<a class="button" href="#/add">Add machine</a>`;
  if (agents === undefined) {
    return html`<div>${view(PageTitle, { title: 'Agents' })}
      ${error === undefined ? view(Loading, { what: 'agents' }) : view(ErrorBox, { error, onRetry: refresh })}
    </div>`;
  }
  if (agents.length === 0) {
    return html`<div>${view(PageTitle, { title: 'Agents' })}
      ${view(
        Empty,
        {
          title: 'No machines yet',
          text: 'Create a token, paste one line into a shell on the machine, and it appears here within seconds.',
        },
        html`<a class="button primary" href="#/add">Create token</a>`,
      )}
    </div>`;
  }
  const known = new Set(agents.map(({ agent_id }) => agent_id));
  const chosen = new Set([...selected].filter((id) => known.has(id)));
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const found = agents.filter((agent) => matches(agent, words)).sort(byState);
  const shown = found.slice(0, MAX_ROWS);
  const online = agents.filter((agent) => agent.online).length;

  const select = (ids: readonly string[], on: boolean) => {
    const next = new Set(chosen);
    for (const id of ids) {
      if (on) next.add(id);
      else next.delete(id);
    }
    selection.set(next);
    // Whoever selects machines means them.
    if (draft.get().mode !== 'selector')
      draft.set({ ...draft.get(), mode: next.size > 0 ? 'selected' : 'online' });
  };

  return html`<div>
    ${view(PageTitle, { title: 'Agents' }, html`<p class="summary" role="status"><b>${online}</b> of ${plural(agents.length, 'machine')} online</p>${addLink}`)}
    ${view(Composer, { org, agents, selected: chosen })}
    <div class="toolbar">
      <input type="search" aria-label="Filter machines" placeholder="Filter by name, label, system…" value=${filter}
        onInput=${(event: Event) => setFilter((event.currentTarget as HTMLInputElement).value)} />
      ${
        chosen.size > 0
          ? html`<button type="button" class="button small ghost" onClick=${() => select([...chosen], false)}>Clear selection (${chosen.size})</button>`
          : null
      }
    </div>
    ${
      found.length === 0
        ? html`<p class="loading" role="status">No machine matches “${filter}”.</p>`
        : view(AgentsTable, { agents: shown, selected: chosen, onSelect: select })
    }
    ${
      found.length > shown.length
        ? html`<p class="quiet">${found.length - shown.length} more are not shown; filter to find them.</p>`
        : null
    }
  </div>`;
}
