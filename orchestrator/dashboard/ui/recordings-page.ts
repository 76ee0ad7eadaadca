import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Recording } from '../../../protocol/rest-terminals.ts';
import type { Permission } from '../../../protocol/roles.ts';
import { formatBytes, formatDuration } from '../model/format.ts';
import { recordingLink } from '../model/route.ts';
import { type ApiError, asApiError } from '../net/api.ts';
import { deleteRecording, fetchRecordings } from '../net/endpoints.ts';
import { Ago, ConfirmButton, Empty, ErrorBox, Loading, PageTitle, said } from './bits.ts';
import { html, view } from './html.ts';
import { MachineTabs } from './machine/tabs.ts';
import { AuditParts } from './parts.ts';

/** What was shown on the terminals of the organization, or of one machine. */
export function RecordingsPage({
  org,
  agent,
  may,
}: {
  org: string;
  agent?: string | undefined;
  may(permission: Permission): boolean;
}): VNode {
  const mayDelete = may('recordings.write');
  const [items, setItems] = useState<readonly Recording[] | undefined>(undefined);
  const [cursor, setCursor] = useState<string | null>(null);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const load = async (from: string | null) => {
    setError(undefined);
    try {
      const page = await fetchRecordings(org, agent, from);
      setItems((before) => [...(from === null ? [] : (before ?? [])), ...page.items]);
      setCursor(page.next_cursor);
    } catch (cause) {
      setError(asApiError(cause));
    }
  };
  useEffect(() => void load(null), [org, agent]);
  const remove = async (id: string) => {
    try {
      await deleteRecording(org, id);
      setItems((before) => before?.filter((recording) => recording.id !== id));
    } catch (cause) {
      setError(asApiError(cause));
    }
  };
  return html`<div>
    ${
      agent === undefined
        ? html`${view(PageTitle, { title: 'Recordings' })}${view(AuditParts, { at: 'recordings' })}`
        : html`<p class="crumb"><a href="#/agents">Agents</a></p>
          ${view(PageTitle, { title: 'Recordings of this machine' })}${view(MachineTabs, { id: agent, tab: 'recordings', may })}`
    }
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: () => void load(null) })}
    ${
      items === undefined
        ? error === undefined
          ? view(Loading, { what: 'recordings' })
          : null
        : items.length === 0
          ? view(Empty, {
              title: 'No recordings yet',
              text: 'Every terminal is recorded while it is open, and can be played here.',
            })
          : html`<div class="table-box"><table>
              <thead><tr><th scope="col">Machine</th><th scope="col">By</th><th scope="col">Opened</th><th scope="col">Lasted</th><th scope="col">Ended</th><th scope="col">Size</th><th><span class="hidden">Actions</span></th></tr></thead>
              <tbody>${items.map((recording) => view(Row, { key: recording.id, recording, mayDelete, onDelete: () => void remove(recording.id) }))}</tbody>
            </table></div>`
    }
    ${cursor === null ? null : html`<p><button type="button" class="button" onClick=${() => void load(cursor)}>Older ones</button></p>`}
  </div>`;
}

function Row({
  recording,
  mayDelete,
  onDelete,
}: {
  recording: Recording;
  mayDelete: boolean;
  onDelete: () => void;
}): VNode {
  const { id, vm_id, actor, opened_at, ended_at, end_reason, exit_code, size, command } = recording;
  const lasted = ended_at === null ? 'goes on' : formatDuration(Date.parse(ended_at) - Date.parse(opened_at));
  return html`<tr>
    <td class="name"><a href=${recordingLink(id)}>${said(vm_id)}</a>${command === null ? null : html`<br /><code>${said(command.slice(0, 80))}</code>`}</td>
    <td data-label="By">${said(actor.name)}</td>
    <td data-label="Opened">${view(Ago, { at: opened_at })}</td>
    <td data-label="Lasted">${lasted}</td>
    <td data-label="Ended"><span>${end_reason === null ? 'open' : said(end_reason.replaceAll('_', ' '))}${exit_code === null ? '' : ` ${exit_code}`}</span></td>
    <td data-label="Size">${formatBytes(size)}</td>
    <td class="end">${
      mayDelete && ended_at !== null
        ? view(ConfirmButton, {
            label: 'Delete',
            question: `Delete the recording of ${vm_id}`,
            danger: true,
            onConfirm: onDelete,
          })
        : null
    }</td>
  </tr>`;
}
