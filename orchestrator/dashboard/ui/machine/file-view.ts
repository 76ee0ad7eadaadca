import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { contentOf, MAX_SHOWN_BYTES } from '../../model/file-content.ts';
import { folderLink, parentOf } from '../../model/file-path.ts';
import { formatBytes } from '../../model/format.ts';
import { safeLines } from '../../model/safe-text.ts';
import { downloadLink, type LoadedFile, loadFile } from '../../net/agent-api.ts';
import { usePolling } from '../../net/hooks.ts';
import { Ago, ErrorBox, Loading, said } from '../bits.ts';
import { html, view } from '../html.ts';
import type { TabProps } from './context.ts';
import { FileEditor } from './file-editor.ts';
import { PathBar } from './path-bar.ts';

const NEVER_MS = 2 ** 31 - 1;

export function FileView(props: TabProps & { path: string }): VNode {
  const { at, agent, path, may } = props;
  const [editing, setEditing] = useState(false);
  const { data, error, refresh } = usePolling(
    (signal) => loadFile(at, path, MAX_SHOWN_BYTES, signal),
    NEVER_MS,
    [at.org, at.id, path],
  );
  const back = html`<a class="button" href=${folderLink(agent.agent_id, parentOf(path))}>Back to the folder</a>`;
  if (data === undefined)
    return html`<div>${view(PathBar, { agentId: agent.agent_id, path })}
      ${error === undefined ? view(Loading, { what: 'the file' }) : view(ErrorBox, { error, onRetry: refresh })}${back}</div>`;
  const cut = data.size > data.bytes.length;
  const content = contentOf(data.bytes, cut);
  const editable = may('files.write') && content.kind === 'text' && !cut;
  return html`<div>
    ${view(PathBar, { agentId: agent.agent_id, path: data.file_path })}
    <div class="tab-bar">
      ${back}
      <a class="button" href=${downloadLink(at, data.file_path)} download>Download</a>
      ${editable && !editing ? html`<button type="button" class="button" onClick=${() => setEditing(true)}>Edit</button>` : null}
      <button type="button" class="button" disabled=${editing} onClick=${refresh}>Refresh</button>
    </div>
    ${view(About, { file: data, link: data.file_path === path ? undefined : path })}
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: refresh })}
    ${
      editing && content.kind === 'text'
        ? view(FileEditor, {
            at,
            file: data,
            text: content.text,
            onClose: () => setEditing(false),
            onSaved() {
              setEditing(false);
              refresh();
            },
            onReload: refresh,
          })
        : view(Content, { file: data, content, cut })
    }
  </div>`;
}

function About({ file, link }: { file: LoadedFile; link: string | undefined }): VNode {
  return html`<p class="quiet">${formatBytes(file.size)} · mode <code>${file.mode}</code> · uid ${file.owner} · changed ${view(Ago, { at: file.modified })}
    ${link === undefined ? null : html` · reached by the link ${said(link)}`}</p>`;
}

function Content({
  file,
  content,
  cut,
}: {
  file: LoadedFile;
  content: ReturnType<typeof contentOf>;
  cut: boolean;
}): VNode {
  const shown = file.bytes.length;
  if (file.size === 0) return html`<p class="quiet">The file is empty.</p>`;
  if (content.kind === 'binary')
    return html`<div><p class="notice" role="note">This is no UTF-8 text. Its first bytes; download it for the rest.</p>
      <pre class="file-text" tabIndex="0" role="region" aria-label="First bytes of the file">${content.hex}</pre></div>`;
  return html`<div>
    ${cut ? html`<p class="notice" role="note">The first ${formatBytes(shown)} of ${formatBytes(file.size)}. Download it for the rest; files up to ${formatBytes(MAX_SHOWN_BYTES)} can be edited here.</p>` : null}
    <pre class="file-text" tabIndex="0" role="region" aria-label="Content of the file">${safeLines(content.text)}</pre></div>`;
}
