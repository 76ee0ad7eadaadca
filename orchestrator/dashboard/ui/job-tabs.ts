import type { VNode } from 'preact';
import { view } from './html.ts';
import { Parts } from './parts.ts';

const PARTS = {
  jobs: { href: '#/jobs', label: 'Jobs' },
  schedules: { href: '#/schedules', label: 'Schedules' },
  saved: { href: '#/saved', label: 'Saved commands' },
};

/** What stands beside the list of jobs. */
export const JobTabs = ({ part }: { part: keyof typeof PARTS }): VNode =>
  view(Parts, { name: 'Jobs', parts: Object.values(PARTS), at: PARTS[part].href });
