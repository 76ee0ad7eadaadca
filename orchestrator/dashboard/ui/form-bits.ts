import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { type ApiError, asApiError } from '../net/api.ts';
import { useIdempotencyKey } from '../net/hooks.ts';
import { html } from './html.ts';

export interface Sending {
  busy: boolean;
  error: ApiError | undefined;
  /** Sends `body` with a key of its own; true when it was taken. */
  send(body: unknown, request: (key: string) => Promise<unknown>): Promise<boolean>;
}

/** One submission at a time; a repeat after a lost answer carries the same key. */
export function useSending(): Sending {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const idempotency = useIdempotencyKey();
  return {
    busy,
    error,
    async send(body, request) {
      if (busy) return false;
      setBusy(true);
      setError(undefined);
      try {
        await request(idempotency.keyFor(body));
        idempotency.settle();
        return true;
      } catch (cause) {
        const failure = asApiError(cause);
        if (failure.status >= 400 && failure.status < 500) idempotency.settle();
        setError(failure);
        return false;
      } finally {
        setBusy(false);
      }
    },
  };
}

export interface TextFieldProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  hint?: string;
  placeholder?: string;
  mono?: boolean;
  rows?: number;
}

export function TextField({ label, value, onChange, hint, placeholder, mono, rows }: TextFieldProps): VNode {
  const onInput = (event: Event) => onChange((event.currentTarget as HTMLInputElement).value);
  const type = mono ? 'mono' : '';
  return html`<label class="field"><span>${label}${hint === undefined ? null : html` <small class="quiet hint">${hint}</small>`}</span>
    ${
      rows === undefined
        ? html`<input class=${type} value=${value} placeholder=${placeholder} spellcheck="false" autocapitalize="none" autocomplete="off" onInput=${onInput} />`
        : html`<textarea class=${type} rows=${rows} value=${value} placeholder=${placeholder} spellcheck="false" autocapitalize="none" autocomplete="off" onInput=${onInput}></textarea>`
    }</label>`;
}
