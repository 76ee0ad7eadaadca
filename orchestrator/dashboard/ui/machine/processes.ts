import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { ProcessEntry } from '../../../../protocol/system.ts';
import { formatBytes } from '../../model/format.ts';
import { firstOrder, type ProcessColumn, type ProcessOrder, processRows } from '../../model/process-rows.ts';
import { callTool } from '../../net/agent-api.ts';
import { usePolling } from '../../net/hooks.ts';
import { Ago, Empty, ErrorBox, Loading, said } from '../bits.ts';
import { html, view } from '../html.ts';
import type { TabProps } from './context.ts';
import { NotAllowed, Offline } from './offline.ts';

const EVERY_MS = 10_000;
const NEVER_MS = 2 ** 31 - 1;
const MOST = 1000;

const HEADS: readonly { column: ProcessColumn; label: string; number?: true }[] = [
  { column: 'pid', label: 'PID', number: true },
  { column: 'user', label: 'User' },
  { column: 'cpu', label: 'CPU', number: true },
  { column: 'rss', label: 'Memory', number: true },
  { column: 'threads', label: 'Threads', number: true },
  { column: 'started', label: 'Started' },
  { column: 'command', label: 'Command' },
];

/** What is looked for is mostly at the top; hundreds of rows make a long page, above all on a phone. */
const SHOWN = 100;

export function ProcessesTab(props: TabProps): VNode {
  if (!props.may('inspect.read')) return view(NotAllowed, { what: 'see processes', right: 'inspect.read' });
  return props.agent.online
    ? view(Processes, props)
    : view(Offline, { agent: props.agent, what: 'Processes' });
}

function Processes({ at }: TabProps): VNode {
  const [filter, setFilter] = useState('');
  const [order, setOrder] = useState<ProcessOrder>(firstOrder('cpu'));
  const [live, setLive] = useState(true);
  const [all, setAll] = useState(false);
  const { data, error, refresh } = usePolling(
    (signal) => callTool(at, 'get_process_list', { sort: 'pid', top: MOST }, { signal }),
    live ? EVERY_MS : NEVER_MS,
    [at.org, at.id],
  );
  const onSort = (column: ProcessColumn) =>
    setOrder(column === order.column ? { column, descending: !order.descending } : firstOrder(column));
  const rows = data === undefined ? [] : processRows(data.processes, filter, order);
  return html`<div>
    <div class="tab-bar">
      <label class="field grow"><span class="hidden">Filter processes</span>
        <input type="search" placeholder="Filter by command, user, PID or unit" value=${filter} onInput=${(event: Event) => setFilter((event.currentTarget as HTMLInputElement).value)} /></label>
      <label class="check"><input type="checkbox" checked=${live} onChange=${() => setLive(!live)} /> Refresh every 10 s</label>
      <button type="button" class="button" onClick=${refresh}>Refresh</button>
    </div>
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: refresh })}
    ${
      data === undefined
        ? error === undefined
          ? view(Loading, { what: 'processes' })
          : null
        : html`<p class="quiet" role="status">${rows.length} of ${data.total} processes${data.total > MOST ? `, the first ${MOST} were read` : ''}. CPU over the last ${data.window_s.toFixed(1)} s.</p>
          ${
            rows.length === 0
              ? view(Empty, {
                  title: 'No process matches',
                  text: 'Take words out of the filter to see more.',
                })
              : view(ProcessTable, { rows: all ? rows : rows.slice(0, SHOWN), order, onSort })
          }
          ${
            all || rows.length <= SHOWN
              ? null
              : html`<p class="actions"><button type="button" class="button" onClick=${() => setAll(true)}>Show all ${rows.length}</button></p>`
          }`
    }
  </div>`;
}

function ProcessTable({
  rows,
  order,
  onSort,
}: {
  rows: readonly ProcessEntry[];
  order: ProcessOrder;
  onSort: (column: ProcessColumn) => void;
}): VNode {
  const sorted = (column: ProcessColumn) =>
    column === order.column ? (order.descending ? 'descending' : 'ascending') : 'none';
  return html`<div class="table-box"><table class="processes">
    <caption class="hidden">Processes</caption>
    <thead><tr>${HEADS.map(
      ({
        column,
        label,
        number,
      }) => html`<th key=${column} scope="col" class=${number ? 'number' : ''} aria-sort=${sorted(column)}>
        <button type="button" class="sort" onClick=${() => onSort(column)}>${label}<span aria-hidden="true">${column === order.column ? (order.descending ? ' ▾' : ' ▴') : ''}</span></button></th>`,
    )}</tr></thead>
    <tbody>${rows.map(
      (row) => html`<tr key=${row.pid}>
        <td class="number" data-label="PID">${row.pid}</td><td data-label="User">${said(row.user)}</td>
        <td class="number" data-label="CPU">${row.cpu.toFixed(1)} %</td><td class="number" data-label="Memory">${formatBytes(row.rss)}</td>
        <td class="number" data-label="Threads">${row.threads}</td><td data-label="Started">${view(Ago, { at: row.started })}</td>
        <td class="command" data-label="Command"><code>${said(row.command)}</code>${row.unit === undefined ? null : html`<small>${said(row.unit)}</small>`}</td>
      </tr>`,
    )}</tbody></table></div>`;
}
