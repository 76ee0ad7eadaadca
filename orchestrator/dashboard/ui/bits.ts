import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { CommandState } from '../../../protocol/command.ts';
import { formatAgo, formatUntil } from '../model/format.ts';
import { safeLine } from '../model/safe-text.ts';
import { stateLabel, stateTone } from '../model/states.ts';
import type { ApiError } from '../net/api.ts';
import { useNow } from '../net/hooks.ts';
import { html } from './html.ts';

/** A time, relative to now and ticking; the absolute one is its tooltip. */
export function Ago({ at }: { at: string }): VNode {
  const now = useNow();
  return html`<time dateTime=${at} title=${absolute(at)}>${formatAgo(Date.parse(at), now)}</time>`;
}

export function Until({ at }: { at: string }): VNode {
  const now = useNow();
  return html`<time dateTime=${at} title=${absolute(at)}>${formatUntil(Date.parse(at), now)}</time>`;
}

export const absolute = (at: string): string =>
  new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'long' });

export function StateBadge({ state, count }: { state: CommandState; count?: number }): VNode {
  return html`<span class=${`badge ${stateTone(state)}`}>
    ${count === undefined ? null : html`<b>${count}</b> `}${stateLabel(state)}
  </span>`;
}

/** What a machine says, kept from changing the direction of the text around it. */
export const said = (text: string): VNode => html`<bdi>${safeLine(text)}</bdi>`;

export function LabelList({
  labels,
  note,
}: {
  labels: Readonly<Record<string, string>>;
  note?: string;
}): VNode {
  const entries = Object.entries(labels);
  return html`<ul class="labels" aria-label=${note ?? 'Labels'}>
    ${entries.map(([key, value]) => html`<li key=${key} title=${note}>${said(`${key}=${value}`)}</li>`)}
  </ul>`;
}

export function ErrorBox({ error, onRetry }: { error: ApiError; onRetry?: () => void }): VNode {
  return html`<div class="notice bad" role="alert">
    <div>
      <p><strong>${safeLine(error.message)}</strong></p>
      ${
        error.fields.length === 0
          ? null
          : html`<ul>${error.fields.map((f) => html`<li><code>${safeLine(f.path)}</code> ${safeLine(f.message)}</li>`)}</ul>`
      }
      ${error.hint === '' ? null : html`<p>${safeLine(error.hint)}</p>`}
      ${error.code === '' ? null : html`<p class="quiet">Code: <code>${safeLine(error.code)}</code></p>`}
    </div>
    ${onRetry === undefined ? null : html`<button type="button" class="button" onClick=${onRetry}>Try again</button>`}
  </div>`;
}

export const Loading = ({ what }: { what: string }): VNode =>
  html`<p class="loading" role="status">Loading ${what}…</p>`;

/** The page's heading; takes the focus when the page opens, so that a screen reader says where one is. */
export function PageTitle({ title, children }: { title: string; children?: unknown }): VNode {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · vm-agent`;
  }, [title]);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return html`<div class="page-title">
    <h1 ref=${heading} tabIndex="-1">${title}</h1>
    ${children}
  </div>`;
}

export function CopyButton({ text, what }: { text: string; what: string }): VNode {
  const [done, setDone] = useState<'copied' | 'failed' | undefined>(undefined);
  useEffect(() => {
    if (done === undefined) return undefined;
    const timer = setTimeout(() => setDone(undefined), 2500);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setDone('copied'),
      () => setDone('failed'),
    );
  const label = done === 'copied' ? 'Copied' : done === 'failed' ? 'Select it and press Ctrl+C' : 'Copy';
  return html`<button type="button" class="button" aria-label=${done === undefined ? `Copy ${what}` : label} onClick=${copy}>
    <span aria-live="polite">${label}</span>
  </button>`;
}

export interface ConfirmProps {
  label: string;
  /** Without its question mark; also what the button is called. */
  question: string;
  danger?: boolean;
  disabled?: boolean;
  onConfirm: () => void;
}

/** Who speaks to the page says what he sees: the name of a button holds its label. */
const nameOf = (label: string, question: string): string =>
  question.toLowerCase().includes(label.toLowerCase()) ? question : `${label}: ${question}`;

/** A button that asks once more, in place. */
export function ConfirmButton({ label, question, danger, disabled, onConfirm }: ConfirmProps): VNode {
  const [asking, setAsking] = useState(false);
  const no = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (asking) no.current?.focus();
  }, [asking]);
  if (!asking) {
    return html`<button type="button" class=${`button small ${danger ? 'danger' : ''}`} disabled=${disabled}
      aria-label=${nameOf(label, question)} onClick=${() => setAsking(true)}>${label}</button>`;
  }
  const answer = (yes: boolean) => {
    setAsking(false);
    if (yes) onConfirm();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') answer(false);
  };
  return html`<span class="confirm" role="group" aria-label=${question} onKeyDown=${onKeyDown}>
    <span class="question">${question}?</span>
    <button type="button" class="button small danger solid" onClick=${() => answer(true)}>Yes, ${label.toLowerCase()}</button>
    <button type="button" class="button small" ref=${no} onClick=${() => answer(false)}>No</button>
  </span>`;
}

/** Nothing to show, and what to do about it. */
export function Empty({ title, text, children }: { title: string; text: string; children?: unknown }): VNode {
  return html`<div class="empty"><h2>${title}</h2><p>${text}</p>${children}</div>`;
}
