import type { VNode } from 'preact';
import { useReducer, useRef } from 'preact/hooks';
import { nameOf, parentOf } from '../../model/file-path.ts';
import { formatBytes, formatDuration } from '../../model/format.ts';
import type { AgentRef } from '../../net/agent-api.ts';
import { useStore } from '../../net/store.ts';
import {
  discardUpload,
  dismissUpload,
  interruptedUploads,
  startUpload,
  type UploadTask,
  uploadTasks,
} from '../../net/uploads.ts';
import { ErrorBox, said } from '../bits.ts';
import { html, view } from '../html.ts';

/** What is on its way to this machine, and what an earlier tab left behind. */
export function UploadsBox({ agent, onDone }: { agent: AgentRef; onDone: () => void }): VNode | null {
  const [, redraw] = useReducer<number, undefined>((n) => n + 1, 0);
  const tasks = [
    ...useStore(uploadTasks).filter((task) => task.agent.id === agent.id && task.agent.org === agent.org),
    ...interruptedUploads(agent),
  ];
  if (tasks.length === 0) return null;
  return html`<section class="card uploads" aria-labelledby="uploads"><h2 id="uploads">Uploads</h2>
    <ul>${tasks.map((task) => view(Row, { key: task.key, task, onDone, onChange: () => redraw(undefined) }))}</ul>
  </section>`;
}

const WORDS: Readonly<Record<UploadTask['state'], string>> = {
  running: 'Uploading',
  waiting: 'Waiting for the connection; it goes on by itself',
  done: 'Done',
  failed: 'Failed',
  interrupted: 'Interrupted. Choose the same file again to go on where it stopped',
};

function Row({
  task,
  onDone,
  onChange,
}: {
  task: UploadTask;
  onDone: () => void;
  onChange: () => void;
}): VNode {
  const input = useRef<HTMLInputElement>(null);
  const { path, state, progress, error, file } = task;
  const again = (chosen: File | undefined, overwrite: boolean) => {
    if (chosen !== undefined) startUpload({ agent: task.agent, path, file: chosen, overwrite }, onDone);
  };
  const discard = () => void discardUpload(task).then(onChange);
  const exists = error?.code === 'conflict';
  return html`<li>
    <p><strong>${said(nameOf(path))}</strong> <small class="quiet">to ${said(parentOf(path))}</small></p>
    ${progress === undefined ? null : view(ProgressBar, { name: nameOf(path), progress })}
    <p class="quiet" role="status">${WORDS[state]}${progress === undefined || state !== 'running' ? '' : `: ${progressText(progress)}`}</p>
    ${error === undefined || state === 'running' ? null : view(ErrorBox, { error })}
    <div class="actions">
      ${state === 'running' || state === 'waiting' ? html`<button type="button" class="button small" onClick=${discard}>Cancel</button>` : null}
      ${state === 'failed' && file !== undefined && !exists ? html`<button type="button" class="button small" onClick=${() => again(file, false)}>Try again</button>` : null}
      ${state === 'failed' && file !== undefined && exists ? html`<button type="button" class="button small danger" onClick=${() => again(file, true)}>Replace the file</button>` : null}
      ${
        state === 'interrupted'
          ? html`<input type="file" class="hidden" ref=${input} tabIndex="-1" aria-hidden="true" onChange=${(event: Event) => again((event.currentTarget as HTMLInputElement).files?.[0], false)} />
            <button type="button" class="button small" onClick=${() => input.current?.click()}>Choose the file</button>`
          : null
      }
      ${state === 'failed' || state === 'interrupted' ? html`<button type="button" class="button small" onClick=${discard}>Discard</button>` : null}
      ${state === 'done' ? html`<button type="button" class="button small" onClick=${() => dismissUpload(task)}>Close</button>` : null}
    </div>
  </li>`;
}

type Progress = NonNullable<UploadTask['progress']>;

function progressText({ sent, size, speed }: Progress): string {
  const rate = speed === undefined ? '' : `, ${formatBytes(speed)}/s`;
  const left =
    speed === undefined || speed < 1 ? '' : `, ${formatDuration(((size - sent) / speed) * 1000)} left`;
  return `${formatBytes(sent)} of ${formatBytes(size)}${rate}${left}`;
}

const ProgressBar = ({ name, progress }: { name: string; progress: Progress }): VNode =>
  html`<progress max=${Math.max(1, progress.size)} value=${progress.size === 0 ? 1 : progress.sent} aria-label=${`Upload of ${name}`}></progress>`;
