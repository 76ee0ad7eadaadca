import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import type { ListDirectory } from '../../../../protocol/file-tools.ts';
import { joinPath, typedPath } from '../../model/file-path.ts';
import { callTool } from '../../net/agent-api.ts';
import { usePolling } from '../../net/hooks.ts';
import { startUpload } from '../../net/uploads.ts';
import { ErrorBox, Loading, said } from '../bits.ts';
import { html, view } from '../html.ts';
import type { TabProps } from './context.ts';
import { FileList } from './file-list.ts';
import { FileView } from './file-view.ts';
import { NameForm } from './name-form.ts';
import { NotAllowed, Offline } from './offline.ts';
import { PathBar } from './path-bar.ts';
import { UploadsBox } from './uploads-box.ts';

const NEVER_MS = 2 ** 31 - 1;
const MOST = 1000;

export function FilesTab(props: TabProps): VNode {
  const { agent, at, query, may } = props;
  if (!may('files.read')) return view(NotAllowed, { what: 'see files', right: 'files.read' });
  if (!agent.online) return view(Offline, { agent, what: 'Files' });
  const file = query.get('file');
  if (file !== undefined) return view(FileView, { ...props, path: file, key: `${at.id}:${file}` });
  const folder = typedPath(query.get('path') ?? '/') ?? '/';
  return view(Folder, { ...props, folder, key: `${at.id}:${folder}` });
}

function Folder(props: TabProps & { folder: string }): VNode {
  const { at, agent, folder, may } = props;
  const [hidden, setHidden] = useState(true);
  const { data, error, refresh } = usePolling(
    (signal) => callTool(at, 'list_directory', { directory_path: folder, limit: MOST, hidden }, { signal }),
    NEVER_MS,
    [at.org, at.id, folder, hidden],
  );
  const write = may('files.write');
  return html`<div>
    ${view(PathBar, { agentId: agent.agent_id, path: folder })}
    ${write ? view(FolderTools, { ...props, refresh }) : null}
    ${view(UploadsBox, { agent: at, onDone: refresh })}
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: refresh })}
    ${data === undefined ? (error === undefined ? view(Loading, { what: 'the folder' }) : null) : view(Listing, { ...props, data, refresh, write })}
    <label class="check show-hidden"><input type="checkbox" checked=${hidden} onChange=${() => setHidden(!hidden)} /> Show hidden files</label>
  </div>`;
}

function Listing({
  data,
  folder,
  ...rest
}: TabProps & { data: ListDirectory; folder: string; write: boolean }): VNode {
  return html`<div>
    ${data.directory_path === folder ? null : html`<p class="quiet">This is a link to ${said(data.directory_path)}.</p>`}
    ${view(FileList, { ...rest, folder: data.directory_path, entries: data.entries })}
    ${data.truncated ? html`<p class="quiet">The first ${MOST} of ${data.total} entries. Go to a path inside to see others.</p>` : null}
  </div>`;
}

/** Upload and new folder; files can also be dropped on it. */
function FolderTools({ at, folder, refresh }: TabProps & { folder: string }): VNode {
  const input = useRef<HTMLInputElement>(null);
  const [making, setMaking] = useState(false);
  const [over, setOver] = useState(false);
  const upload = (files: FileList | null | undefined) => {
    for (const file of files ?? [])
      startUpload({ agent: at, path: joinPath(folder, file.name), file, overwrite: false }, refresh);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    upload(event.dataTransfer?.files);
  };
  return html`<div class=${`tab-bar drop ${over ? 'over' : ''}`} onDrop=${onDrop}
      onDragOver=${(event: DragEvent) => {
        event.preventDefault();
        setOver(true);
      }} onDragLeave=${() => setOver(false)}>
    <input type="file" multiple class="hidden" ref=${input} tabIndex="-1" aria-label="Files to upload"
      onChange=${(event: Event) => {
        const field = event.currentTarget as HTMLInputElement;
        upload(field.files);
        field.value = '';
      }} />
    <button type="button" class="button" onClick=${() => input.current?.click()}>Upload files</button>
    <button type="button" class="button" aria-expanded=${making} onClick=${() => setMaking(!making)}>New folder</button>
    <button type="button" class="button" onClick=${refresh}>Refresh</button>
    <span class="quiet drop-hint">or drop files here</span>
    ${
      making
        ? view(NameForm, {
            label: 'Name of the new folder',
            button: 'Make folder',
            value: '',
            onCancel: () => setMaking(false),
            async onName(name) {
              await callTool(at, 'make_directory', { directory_path: joinPath(folder, name) });
              setMaking(false);
              refresh();
            },
          })
        : null
    }
  </div>`;
}
