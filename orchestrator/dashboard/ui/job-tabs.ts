import type { VNode } from 'preact';
import { html } from './html.ts';

const PARTS = [
  { name: 'jobs', href: '#/jobs', label: 'Jobs' },
  { name: 'schedules', href: '#/schedules', label: 'Schedules' },
  { name: 'saved', href: '#/saved', label: 'Saved commands' },
] as const;

/** What stands beside the list of jobs. */
export const JobTabs = ({ part }: { part: (typeof PARTS)[number]['name'] }): VNode =>
  html`<nav class="parts" aria-label="Jobs">${PARTS.map(
    ({ name, href, label }) =>
      html`<a key=${name} href=${href} aria-current=${name === part ? 'page' : undefined}>${label}</a>`,
  )}</nav>`;
