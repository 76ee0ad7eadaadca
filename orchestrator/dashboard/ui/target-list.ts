import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { CommandState } from '../../../protocol/command.ts';
import type { Command } from '../../../protocol/rest-jobs.ts';
import type { CommandView } from '../model/job-view.ts';
import { agentLink } from '../model/route.ts';
import { safeLine } from '../model/safe-text.ts';
import { reasonText, STATE_ORDER, stateHint, stateLabel } from '../model/states.ts';
import { StateBadge } from './bits.ts';
import { CommandCard } from './command-card.ts';
import { html, view } from './html.ts';
import { VirtualList } from './virtual-list.ts';

/** As in jobs.css. */
const ROW_PX = 40;

export interface TargetListProps {
  org: string;
  commands: readonly CommandView[];
  kept: ReadonlyMap<string, Command>;
  /** Of the whole job. */
  counts: ReadonlyMap<CommandState, number>;
}

const whyOf = (command: CommandView): string =>
  command.why ??
  command.result?.error?.message ??
  (reasonText(command.reason) || stateHint(command.state, undefined));

function matches(command: CommandView, state: string, words: readonly string[]): boolean {
  if (state !== '' && command.state !== state) return false;
  if (words.length === 0) return true;
  const text = `${command.vmId} ${whyOf(command)}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Each machine of a job in one row, however many there are; the chosen one's output stands above. */
export function TargetList({ org, commands, kept, counts }: TargetListProps): VNode {
  const [chosen, setChosen] = useState<string | undefined>(undefined);
  const [state, setState] = useState('');
  const [filter, setFilter] = useState('');
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const found = commands.filter((command) => matches(command, state, words));
  const open = commands.find(({ id }) => id === chosen);
  const waves = commands.some(({ wave }) => wave !== null);
  const row = (command: CommandView) => html`<div class=${`target ${waves ? 'with-wave' : ''}`}>
    <button type="button" class="link" aria-pressed=${command.id === chosen} aria-label=${`Output of ${command.vmId}`}
      onClick=${() => setChosen(command.id === chosen ? undefined : command.id)}>${command.vmId}</button>
    ${waves ? html`<span class="quiet target-wave">${command.wave === null ? '–' : `wave ${command.wave}`}</span>` : null}
    ${view(StateBadge, { state: command.state })}
    <span class="quiet target-why" title=${whyOf(command)}>${safeLine(whyOf(command))}</span>
    <a class="quiet" href=${agentLink(command.agentId)} aria-label=${`Page of ${command.vmId}`}>→</a>
  </div>`;
  return html`<section class="card targets-card" aria-label="Machines">
    <div class="toolbar">
      <h2>Machines</h2>
      <input type="search" aria-label="Filter machines" placeholder="Name or reason…" value=${filter}
        onInput=${(event: Event) => setFilter((event.currentTarget as HTMLInputElement).value)} />
      <select aria-label="State" value=${state} onChange=${(event: Event) => setState((event.currentTarget as HTMLSelectElement).value)}>
        <option value="">All states (${commands.length})</option>
        ${STATE_ORDER.filter((each) => counts.has(each)).map((each) => html`<option key=${each} value=${each}>${stateLabel(each)} (${counts.get(each)})</option>`)}
      </select>
    </div>
    ${open === undefined ? null : view(CommandCard, { key: open.id, org, command: open, kept: kept.get(open.id), expanded: true, revision: open.revision })}
    ${
      found.length === 0
        ? html`<p class="loading" role="status">No machine is so.</p>`
        : view(VirtualList<CommandView>, {
            items: found,
            rowHeight: ROW_PX,
            label: 'Machines of the job',
            row,
          })
    }
  </section>`;
}
