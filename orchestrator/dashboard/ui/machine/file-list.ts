import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { ListDirectory } from '../../../../protocol/file-tools.ts';
import { fileLink, folderLink, joinPath } from '../../model/file-path.ts';
import { formatBytes } from '../../model/format.ts';
import { safeLine } from '../../model/safe-text.ts';
import { callTool, downloadLink } from '../../net/agent-api.ts';
import { type ApiError, asApiError } from '../../net/api.ts';
import { Ago, ConfirmButton, Empty, ErrorBox, said } from '../bits.ts';
import { html, view } from '../html.ts';
import type { TabProps } from './context.ts';
import { NameForm } from './name-form.ts';

type Entry = ListDirectory['entries'][number];

interface ListProps extends TabProps {
  /** Where it really lies. */
  folder: string;
  entries: readonly Entry[];
  write: boolean;
}

/** Folders first, as people look for the way before they look for the file. */
export function FileList({ entries, ...rest }: ListProps): VNode {
  const sorted = [...entries].sort(
    (a, b) => Number(b.type === 'directory') - Number(a.type === 'directory') || a.name.localeCompare(b.name),
  );
  if (sorted.length === 0)
    return view(Empty, {
      title: 'The folder is empty',
      text: rest.write ? 'Upload a file, or drop one on the line above.' : 'There is nothing in it to see.',
    });
  return html`<div class="table-box"><table class="files">
    <caption class="hidden">Files in ${rest.folder}</caption>
    <thead><tr><th scope="col">Name</th><th scope="col" class="number">Size</th><th scope="col">Changed</th><th scope="col">Mode</th><th scope="col">Owner</th><th scope="col"><span class="hidden">Actions</span></th></tr></thead>
    <tbody>${sorted.map((entry) => view(Row, { ...rest, key: entry.name, entry }))}</tbody>
  </table></div>`;
}

function Row(props: Omit<ListProps, 'entries'> & { entry: Entry }): VNode {
  const { agent, at, folder, entry, write, refresh } = props;
  const [renaming, setRenaming] = useState(false);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const path = joinPath(folder, entry.name);
  const shown = safeLine(entry.name);
  const isFile = entry.type === 'file';
  const remove = async () => {
    try {
      await callTool(at, 'delete_file', { file_path: path });
      refresh();
    } catch (cause) {
      setError(asApiError(cause));
    }
  };
  return html`<tr>
    <td class="name">
      ${
        renaming
          ? view(NameForm, {
              label: `New name of ${shown}`,
              button: 'Rename',
              value: entry.name,
              onCancel: () => setRenaming(false),
              async onName(name) {
                if (name !== entry.name)
                  await callTool(at, 'move_file', { file_path: path, new_path: joinPath(folder, name) });
                setRenaming(false);
                refresh();
              },
            })
          : view(Name, { agentId: agent.agent_id, path, entry })
      }
      ${error === undefined ? null : view(ErrorBox, { error })}
    </td>
    <td class="number" data-label="Size">${isFile ? formatBytes(entry.size) : ''}</td>
    <td data-label="Changed">${view(Ago, { at: entry.modified })}</td>
    <td data-label="Mode"><code>${entry.mode}</code></td>
    <td data-label="Owner">${said(entry.owner)}</td>
    <td class="file-actions">${
      isFile
        ? html`<a class="button small" href=${downloadLink(at, path)} download=${shown} aria-label=${`Download ${shown}`}>Download</a>
          ${write ? html`<button type="button" class="button small" aria-label=${`Rename ${shown}`} onClick=${() => setRenaming(true)}>Rename</button>` : null}
          ${write ? view(ConfirmButton, { label: 'Delete', question: `Delete ${shown}`, danger: true, onConfirm: () => void remove() }) : null}`
        : null
    }</td>
  </tr>`;
}

/** Never by an icon alone: what is no file says what it is. */
function Name({ agentId, path, entry }: { agentId: string; path: string; entry: Entry }): VNode {
  const { name, type, target } = entry;
  if (type === 'directory') return html`<a href=${folderLink(agentId, path)}>${said(name)}/</a>`;
  if (type === 'file') return html`<a href=${fileLink(agentId, path)}>${said(name)}</a>`;
  if (type === 'link')
    return html`<span>${said(name)}</span> <small>link to ${said(target ?? '?')}
      · <a href=${fileLink(agentId, path)} aria-label=${`Open ${safeLine(name)} as a file`}>as a file</a>
      · <a href=${folderLink(agentId, path)} aria-label=${`Open ${safeLine(name)} as a folder`}>as a folder</a></small>`;
  return html`<span>${said(name)}</span> <small>${type}</small>`;
}
