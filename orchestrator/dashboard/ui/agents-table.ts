import type { VNode } from 'preact';

import { useEffect, useRef } from 'preact/hooks';
import { quarantineText } from '../../../protocol/quarantine.ts';
import type { Agent } from '../../../protocol/rest-fleet.ts';
import type { Machine } from '../../../protocol/rest-overview.ts';
import type { Permission } from '../../../protocol/roles.ts';
import { formatPercent } from '../model/format.ts';
import type { Listed } from '../model/machines.ts';
import { agentLink } from '../model/route.ts';
import { Ago, LabelList, said } from './bits.ts';
import { html, view } from './html.ts';
import { useVirtualRows } from './virtual-rows.ts';

/** Height of a row before it was seen (pixels). */
const ROW_HEIGHT = 84;
const COLUMNS = 7;

export interface AgentsTableProps {
  machines: readonly Listed[];
  selected: ReadonlySet<string>;
  onSelect: (ids: readonly string[], on: boolean) => void;
  may(permission: Permission): boolean;
}

/** Straight to what people look for on a machine. */
const WAYS: readonly { tab: string; label: string; needs: Permission }[] = [
  { tab: 'files', label: 'Files', needs: 'files.read' },
  { tab: 'logs', label: 'Logs', needs: 'files.read' },
  { tab: 'terminal', label: 'Terminal', needs: 'terminal.open' },
];

export function AgentsTable({ machines, selected, onSelect, may }: AgentsTableProps): VNode {
  const all = useRef<HTMLInputElement>(null);
  const virtual = useVirtualRows(machines.length, ROW_HEIGHT);
  const count =
    selected.size === 0 ? 0 : machines.filter(({ machine }) => selected.has(machine.agent_id)).length;
  useEffect(() => {
    if (all.current !== null) all.current.indeterminate = count > 0 && count < machines.length;
  });
  const onAll = () =>
    onSelect(
      machines.map(({ machine }) => machine.agent_id),
      count < machines.length,
    );
  return html`<div class="table-box" ref=${virtual.box}><table class="agents" aria-rowcount=${machines.length + 1}>
    <caption class="hidden">Machines</caption>
    <thead><tr aria-rowindex="1">
      <th class="check"><input ref=${all} type="checkbox" aria-label="Select all listed machines" checked=${count === machines.length} onChange=${onAll} /></th>
      <th scope="col">Machine</th><th scope="col">Status</th><th scope="col">System</th>
      <th scope="col">Load</th><th scope="col">Agent</th><th scope="col">Labels</th>
    </tr></thead>
    <tbody>
      ${spacer(virtual.before)}
      ${virtual.rows.map(({ index }) => {
        const machine = machines[index]?.machine;
        return machine === undefined
          ? null
          : view(AgentRow, {
              key: machine.agent_id,
              machine,
              index,
              measure: virtual.measure,
              selected: selected.has(machine.agent_id),
              onSelect,
              may,
            });
      })}
      ${spacer(virtual.after)}
    </tbody>
  </table></div>`;
}

/** Stands for the rows that are not drawn. */
const spacer = (height: number): VNode | null =>
  height === 0
    ? null
    : html`<tr class="spacer" role="presentation"><td role="presentation" colspan=${COLUMNS} style=${{ height: `${height}px` }}></td></tr>`;

interface AgentRowProps {
  machine: Machine;
  index: number;
  measure: (row: Element | null) => void;
  selected: boolean;
  onSelect: AgentsTableProps['onSelect'];
  may: AgentsTableProps['may'];
}

function AgentRow({ machine, index, measure, selected, onSelect, may }: AgentRowProps): VNode {
  const { agent_id, vm_id, os, arch, cpus, labels } = machine;
  const hardware = [arch, cpus > 0 ? `${cpus} CPU` : ''].filter((t) => t !== '').join(' · ');
  const others = Object.keys(machine.reported_labels).length;
  return html`<tr class=${selected ? 'selected' : ''} ref=${measure} data-index=${index} aria-rowindex=${index + 2}>
    <td class="check"><input type="checkbox" aria-label=${`Select ${vm_id}`} checked=${selected}
      onChange=${(event: Event) => onSelect([agent_id], (event.currentTarget as HTMLInputElement).checked)} /></td>
    <td class="name"><a href=${agentLink(agent_id)}>${vm_id}</a><small>${said(machine.hostname)}</small>
      <small class="ways">${WAYS.filter(({ needs }) => may(needs)).map(
        ({ tab, label }) =>
          html`<a key=${tab} href=${`${agentLink(agent_id)}/${tab}`} aria-label=${`${label} of ${vm_id}`}>${label}</a>`,
      )}</small></td>
    <td>${view(OnlineState, { agent: machine })}${machine.lock === null ? null : view(LockSign, { lock: machine.lock })}</td>
    <td data-label="System">${os === '' ? dash() : html`<span>${said(os)}</span><small>${said(hardware)}</small>`}</td>
    <td data-label="Load">${view(Load, { load: machine.load, cpus, online: machine.online })}</td>
    <td data-label="Agent">${machine.version === null ? dash() : said(machine.version)}</td>
    <td data-label="Labels">
      ${Object.keys(labels).length === 0 && others === 0 ? dash() : null}
      ${Object.keys(labels).length > 0 ? view(LabelList, { labels, note: 'Granted labels' }) : null}
      ${others > 0 ? html`<small title="Labels that the machine itself reports; selectors match them as agent.KEY">+${others} reported</small>` : null}
    </td>
  </tr>`;
}

const dash = (): VNode =>
  html`<span class="quiet"><span aria-hidden="true">–</span><span class="hidden">not known</span></span>`;

/** Never by colour alone: a filled or hollow dot, and the word. */
export function OnlineState({
  agent,
}: {
  agent: Pick<Agent, 'online' | 'state' | 'quarantine' | 'last_heartbeat_at'>;
}): VNode {
  return html`<span class=${`online ${agent.online ? 'yes' : 'no'}`}>
    <span class="dot" aria-hidden="true"></span>${agent.online ? 'online' : 'offline'}
    ${agent.state === 'active' ? null : html`<span class="badge bad" title=${agent.quarantine == null ? '' : quarantineText(agent.quarantine)}>${agent.state}</span>`}
    <small>${agent.last_heartbeat_at === null ? 'no heartbeat yet' : view(Ago, { at: agent.last_heartbeat_at })}</small>
  </span>`;
}

/** Why nothing is sent to a machine. */
export function LockSign({ lock }: { lock: NonNullable<Machine['lock']> }): VNode {
  return html`<span class="lock-sign"><span class="badge busy still">locked</span><small>${said(lock.reason)}</small></span>`;
}

export interface LoadProps {
  load: { load1: number; memory_used: number; disk_used?: number | null | undefined } | null;
  cpus: number;
  online: boolean;
}

export function Load({ load, cpus, online }: LoadProps): VNode {
  if (load === null || !online) return dash();
  const disk = load.disk_used ?? undefined;
  return html`<span class="load">
    ${view(Bar, { name: 'Load', text: load.load1.toFixed(2), fraction: load.load1 / Math.max(1, cpus) })}
    ${view(Bar, { name: 'Mem', text: formatPercent(load.memory_used), fraction: load.memory_used })}
    ${disk === undefined ? null : view(Bar, { name: 'Disk', text: formatPercent(disk), fraction: disk })}
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
