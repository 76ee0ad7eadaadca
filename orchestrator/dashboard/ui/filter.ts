import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from './html.ts';

export interface Filter {
  /** What is filtered by. */
  applied: string;
  /** The box to type in. `/` goes to it from anywhere on the page. */
  input(label: string, placeholder: string): VNode;
}

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.matches('input, textarea, select, [contenteditable]');

/**
 * A filter that is in the page's link, so that it can be kept and sent. What is typed shows at once; the list
 * follows in the next frame of the screen, however long it is.
 */
export function useDeferredFilter(page: string, asked: string): Filter {
  const [typed, setTyped] = useState(asked);
  const [applied, setApplied] = useState(asked);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    setTyped(asked);
    setApplied(asked);
  }, [asked]);
  useEffect(() => {
    const frame = requestAnimationFrame(() => setApplied(typed));
    const link = `#/${page}${typed === '' ? '' : `?q=${encodeURIComponent(typed)}`}`;
    if (typed !== asked && location.hash !== link) history.replaceState(null, '', link);
    return () => cancelAnimationFrame(frame);
  }, [typed]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      event.preventDefault();
      box.current?.focus();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  return {
    applied,
    input: (
      label,
      placeholder,
    ) => html`<input type="search" ref=${box} aria-label=${label} aria-keyshortcuts="/"
      placeholder=${placeholder} value=${typed}
      onInput=${(event: Event) => setTyped((event.currentTarget as HTMLInputElement).value)} />`,
  };
}
