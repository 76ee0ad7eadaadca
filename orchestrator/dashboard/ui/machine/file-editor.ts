import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { fromEditor, lineEndOf, toEditor } from '../../model/file-content.ts';
import { safeLine } from '../../model/safe-text.ts';
import { type DiffLine, diffLines } from '../../model/text-diff.ts';
import { type AgentRef, callTool, type LoadedFile, sha256Hex } from '../../net/agent-api.ts';
import { type ApiError, asApiError } from '../../net/api.ts';
import { ErrorBox } from '../bits.ts';
import { html, view } from '../html.ts';

export interface FileEditorProps {
  at: AgentRef;
  /** As it was when the editor was opened; what is saved replaces this and nothing newer. */
  file: LoadedFile;
  text: string;
  onClose(): void;
  onSaved(): void;
  /** Reads what is there now; what was typed stays. */
  onReload(): void;
}

/** Text, then what the change does, then the file: nobody writes what he has not seen. */
export function FileEditor({ at, file, text, onClose, onSaved, onReload }: FileEditorProps): VNode {
  // What the file holds may be read anew under the editor; what was typed is the person's.
  const [typed, setTyped] = useState(() => toEditor(text));
  const [reviewing, setReviewing] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const next = fromEditor(typed, lineEndOf(text));
  const changed = next !== text;
  useEffect(() => {
    if (!changed) return undefined;
    const onLeave = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener('beforeunload', onLeave);
    return () => removeEventListener('beforeunload', onLeave);
  }, [changed]);
  const save = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await callTool(at, 'write_file', {
        file_path: file.file_path,
        content: next,
        expected_sha256: await sha256Hex(file.bytes),
      });
      onSaved();
    } catch (cause) {
      setError(asApiError(cause));
      setBusy(false);
    }
  };
  const conflict = error?.code === 'conflict';
  return html`<div class="editor">
    ${
      reviewing
        ? view(Diff, { lines: diffLines(toEditor(text), typed) })
        : html`<label class="field"><span>Content of ${safeLine(file.file_path)}</span>
            <textarea class="mono" ref=${field} rows="24" spellcheck=${false} autocapitalize="off" value=${typed}
              onInput=${(event: Event) => setTyped((event.currentTarget as HTMLTextAreaElement).value)}></textarea></label>`
    }
    ${error === undefined ? null : view(ErrorBox, { error })}
    <div class="actions">
      ${
        reviewing
          ? html`<button type="button" class="button primary" disabled=${busy || !changed} onClick=${() => void save()}>${busy ? 'Saving…' : 'Save'}</button>
            <button type="button" class="button" disabled=${busy} onClick=${() => setReviewing(false)}>Go on editing</button>`
          : html`<button type="button" class="button primary" disabled=${!changed} onClick=${() => setReviewing(true)}>Review changes</button>`
      }
      ${
        conflict
          ? html`<button type="button" class="button" onClick=${() => {
              setError(undefined);
              onReload();
            }}>Compare with what is there now</button>`
          : null
      }
      <button type="button" class="button" disabled=${busy} onClick=${onClose}>Discard</button>
    </div>
  </div>`;
}

const SIGN: Readonly<Record<DiffLine['kind'], string>> = { same: ' ', added: '+', removed: '-', gap: '…' };

export function Diff({ lines }: { lines: readonly DiffLine[] }): VNode {
  if (lines.length === 0) return html`<p class="quiet">Nothing is changed.</p>`;
  return html`<div class="diff" role="region" aria-label="What the change does" tabIndex="0">${lines.map(
    (
      { kind, text },
      index,
    ) => html`<div key=${index} class=${kind}><span class="sign" aria-hidden="true">${SIGN[kind]}</span>
      ${kind === 'added' || kind === 'removed' ? html`<span class="hidden">${kind}: </span>` : null}<span>${safeLine(text)}</span></div>`,
  )}</div>`;
}
