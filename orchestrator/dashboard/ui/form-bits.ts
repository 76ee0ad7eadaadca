import type { VNode } from 'preact';
import { html } from './html.ts';

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
