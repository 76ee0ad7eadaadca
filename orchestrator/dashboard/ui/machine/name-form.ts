import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { nameProblem } from '../../model/file-path.ts';
import { type ApiError, asApiError } from '../../net/api.ts';
import { ErrorBox } from '../bits.ts';
import { html, view } from '../html.ts';

export interface NameFormProps {
  label: string;
  button: string;
  value: string;
  onName(name: string): Promise<void>;
  onCancel(): void;
}

/** Asks for the name of a file or folder, in place. */
export function NameForm({ label, button, value, onName, onCancel }: NameFormProps): VNode {
  const field = useRef<HTMLInputElement>(null);
  const [name, setName] = useState(value);
  const [error, setError] = useState<ApiError | string | undefined>(undefined);
  const [busy, setBusy] = useState(false);
  useEffect(() => field.current?.focus(), []);
  const onSubmit = async (event: Event) => {
    event.preventDefault();
    const wrong = nameProblem(name);
    setError(wrong);
    if (wrong !== undefined) return;
    setBusy(true);
    try {
      await onName(name);
    } catch (cause) {
      setError(asApiError(cause));
      setBusy(false);
    }
  };
  return html`<form class="inline-form name-form" onSubmit=${onSubmit} onKeyDown=${(event: KeyboardEvent) => event.key === 'Escape' && onCancel()}>
    <label class="field grow"><span>${label}</span>
      <input class="mono" ref=${field} value=${name} autocomplete="off" spellcheck=${false} onInput=${(event: Event) => setName((event.currentTarget as HTMLInputElement).value)} /></label>
    <button class="button" disabled=${busy}>${button}</button>
    <button type="button" class="button" onClick=${onCancel}>Cancel</button>
    ${typeof error === 'string' ? html`<p class="notice bad" role="alert">${error}</p>` : null}
    ${error !== undefined && typeof error !== 'string' ? view(ErrorBox, { error }) : null}
  </form>`;
}
