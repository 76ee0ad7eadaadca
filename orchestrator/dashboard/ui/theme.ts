import type { VNode } from 'preact';
import { createStore, useStore } from '../net/store.ts';
import { html } from './html.ts';

const KEY = 'theme';
const CHOICES = ['system', 'light', 'dark'] as const;
type Theme = (typeof CHOICES)[number];

const kept = (): Theme => CHOICES.find((choice) => choice === localStorage.getItem(KEY)) ?? 'system';

/** What was chosen; what follows it in scripts (charts, terminals) asks `matchMedia` where it is `system`. */
export const theme = createStore<Theme>(kept());

function apply(): void {
  const choice = theme.get();
  if (choice === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = choice;
}
theme.subscribe(apply);
apply();

const NEXT: Readonly<Record<Theme, Theme>> = { system: 'light', light: 'dark', dark: 'system' };
const SIGNS: Readonly<Record<Theme, string>> = { system: '◐', light: '☀', dark: '☾' };

/** Goes from the system's choice to light, to dark, and back. */
export function ThemeButton(): VNode {
  const choice = useStore(theme);
  const next = () => {
    localStorage.setItem(KEY, NEXT[choice]);
    theme.set(NEXT[choice]);
  };
  return html`<button type="button" class="button small ghost theme" onClick=${next}
    aria-label=${`Colours: ${choice}. Change to ${NEXT[choice]}`} title=${`Colours: ${choice}`}><span aria-hidden="true">${SIGNS[choice]}</span></button>`;
}
