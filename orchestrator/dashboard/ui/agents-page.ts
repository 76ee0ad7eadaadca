import type { VNode } from 'preact';
import type { Permission } from '../../../protocol/roles.ts';
import { plural } from '../model/format.ts';
import { filterFleet } from '../model/machines.ts';
import { useFleet } from '../net/fleet-feed.ts';
import { createStore, useStore } from '../net/store.ts';
import { AgentsTable } from './agents-table.ts';
import { Empty, ErrorBox, Loading, PageTitle } from './bits.ts';
import { Composer, draft } from './composer.ts';
import { useDeferredFilter } from './filter.ts';
import { html, view } from './html.ts';
import { AgentsParts } from './parts.ts';

const selection = createStore<ReadonlySet<string>>(new Set());

export interface AgentsPageProps {
  org: string;
  /** What the link asks for. */
  filter: string;
  may(permission: Permission): boolean;
}

export function AgentsPage({ org, filter: asked, may }: AgentsPageProps): VNode {
  const [mayRun, mayAdd] = [may('jobs.run'), may('provisioning.write')];
  const { fleet, loaded, error } = useFleet(org);
  const selected = useStore(selection);
  const filter = useDeferredFilter('agents', asked);

  const parts = view(AgentsParts, { at: 'agents', mayAdd });
  if (!loaded) {
    return html`<div>${view(PageTitle, { title: 'Agents' })}${parts}
      ${error === undefined ? view(Loading, { what: 'agents' }) : view(ErrorBox, { error })}
    </div>`;
  }
  const addLink = mayAdd ? html`<a class="button" href="#/add">Add machine</a>` : null;
  if (fleet.byId.size === 0) {
    return html`<div>${view(PageTitle, { title: 'Agents' })}${parts}
      ${view(
        Empty,
        {
          title: 'No machines yet',
          text: mayAdd
            ? 'Create a token, paste one line into a shell on the machine, and it appears here within seconds.'
            : 'An operator or an admin of this organization can add some.',
        },
        mayAdd ? html`<a class="button primary" href="#/add">Create token</a>` : null,
      )}
    </div>`;
  }
  const chosen = new Set([...selected].filter((id) => fleet.byId.has(id)));
  const found = filterFleet(fleet, filter.applied);
  const agents = fleet.sorted.map(({ machine }) => machine);

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
    ${view(PageTitle, { title: 'Agents' }, html`<p class="summary" role="status"><b>${fleet.online}</b> of ${plural(fleet.byId.size, 'machine')} online</p>${addLink}`)}
    ${parts}
    ${mayRun ? view(Composer, { org, agents, selected: chosen }) : null}
    <div class="toolbar">
      ${filter.input('Filter machines', 'Filter by name, label, system…')}
      ${filter.applied === '' ? null : html`<span class="quiet" role="status">${plural(found.length, 'machine')}</span>`}
      ${
        chosen.size > 0
          ? html`<button type="button" class="button small ghost" onClick=${() => select([...chosen], false)}>Clear selection (${chosen.size})</button>`
          : null
      }
    </div>
    ${
      found.length === 0
        ? html`<p class="loading" role="status">No machine matches “${filter.applied}”.</p>`
        : view(AgentsTable, { machines: found, selected: chosen, onSelect: select, may })
    }
  </div>`;
}
