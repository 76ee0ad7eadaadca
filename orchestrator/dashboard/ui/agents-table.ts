import type { VNode } from 'preact';

import { useEffect, useRef } from 'preact/hooks';
import type { Agent } from '../../../protocol/rest-fleet.ts';
import { formatPercent } from '../model/format.ts';
import { agentLink } from '../model/route.ts';
import { Ago, LabelList, said } from './bits.ts';
import { html, view } from './html.ts';

export interface AgentsTableProps {
  agents: readonly Agent[];
  selected: ReadonlySet<string>;
  onSelect: (ids: readonly string[], on: boolean) => void;
}

export function AgentsTable({ agents, selected, onSelect }: AgentsTableProps): VNode {
  const all = useRef<HTMLInputElement>(null);
  const ids = agents.map(({ agent_id }) => agent_id);
  const count = ids.filter((id) => selected.has(id)).length;
  useEffect(() => {
    if (all.current !== null) all.current.indeterminate = count > 0 && count < ids.length;
  });
  const onAll = () => onSelect(ids, count < ids.length);
  return html`<div class="table-box"><table class="agents">
    <caption class="hidden">Machines</caption>
    <thead><tr>
      <th class="check"><input ref=${all} type="checkbox" aria-label="Select all listed machines" checked=${count === ids.length} onChange=${onAll} /></th>
      <th scope="col">Machine</th><th scope="col">Status</th><th scope="col">System</th>
      <th scope="col">Load</th><th scope="col">Agent</th><th scope="col">Labels</th>
    </tr></thead>
    <tbody>
      ${agents.map((agent) =>
        view(AgentRow, {
          key: agent.agent_id,
          agent,
          selected: selected.has(agent.agent_id),
          onSelect: (on: boolean) => onSelect([agent.agent_id], on),
        }),
      )}
    </tbody>
  </table></div>`;
}

interface AgentRowProps {
  agent: Agent;
  selected: boolean;
  onSelect: (on: boolean) => void;
}

function AgentRow({ agent, selected, onSelect }: AgentRowProps): VNode {
  const { facts } = agent;
  const machine =
    facts === null
      ? ''
      : [facts.arch, facts.cpus > 0 ? `${facts.cpus} CPU` : ''].filter((t) => t !== '').join(' · ');
  const others = Object.keys(agent.reported_labels).length;
  return html`<tr class=${selected ? 'selected' : ''}>
    <td class="check"><input type="checkbox" aria-label=${`Select ${agent.vm_id}`} checked=${selected}
      onChange=${(event: Event) => onSelect((event.currentTarget as HTMLInputElement).checked)} /></td>
    <td class="name"><a href=${agentLink(agent.agent_id)}>${agent.vm_id}</a><small>${said(agent.hostname)}</small></td>
    <td>${view(OnlineState, { agent })}</td>
    <td data-label="System">${facts === null ? dash() : html`<span>${said(facts.os_name || facts.os)}</span><small>${said(machine)}</small>`}</td>
    <td data-label="Load">${view(Load, { agent })}</td>
    <td data-label="Agent">${agent.version === null ? dash() : said(agent.version)}</td>
    <td data-label="Labels">
      ${Object.keys(agent.labels).length === 0 && others === 0 ? dash() : null}
      ${Object.keys(agent.labels).length > 0 ? view(LabelList, { labels: agent.labels, note: 'Granted labels' }) : null}
      ${others > 0 ? html`<small title="Labels that the machine itself reports; selectors match them as agent.KEY">+${others} reported</small>` : null}
    </td>
  </tr>`;
}

const dash = (): VNode => html`<span class="quiet" aria-label="not known">–</span>`;

/** Never by colour alone: a filled or hollow dot, and the word. */
export function OnlineState({ agent }: { agent: Agent }): VNode {
  return html`<span class=${`online ${agent.online ? 'yes' : 'no'}`}>
    <span class="dot" aria-hidden="true"></span>${agent.online ? 'online' : 'offline'}
    ${agent.state === 'active' ? null : html`<span class="badge bad">${agent.state}</span>`}
    <small>${agent.last_heartbeat_at === null ? 'no heartbeat yet' : view(Ago, { at: agent.last_heartbeat_at })}</small>
  </span>`;
}

export function Load({ agent }: { agent: Agent }): VNode {
  const { load, facts } = agent;
  if (load === null || !agent.online) return dash();
  const cpus = Math.max(1, facts?.cpus ?? 1);
  return html`<span class="load">
    ${view(Bar, { name: 'Load', text: load.load1.toFixed(2), fraction: load.load1 / cpus })}
    ${view(Bar, { name: 'Mem', text: formatPercent(load.memory_used), fraction: load.memory_used })}
    ${load.disk_used === undefined ? null : view(Bar, { name: 'Disk', text: formatPercent(load.disk_used), fraction: load.disk_used })}
  </span>`;
}

// An SVG takes its width as a plain attribute; the page's policy allows no style attributes.
function Bar({ name, text, fraction }: { name: string; text: string; fraction: number }): VNode {
  const width = Math.round(Math.min(1, Math.max(0, fraction)) * 100);
  return html`<span class=${`bar ${fraction >= 0.9 ? 'high' : ''}`}>
    <span class="bar-name">${name}</span>
    <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="rail" width="100" height="4" /><rect class="fill" width=${width} height="4" /></svg>
    <span class="bar-text">${text}</span>
  </span>`;
}
