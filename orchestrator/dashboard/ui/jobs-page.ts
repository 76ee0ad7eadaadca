import type { VNode } from 'preact';

import { useEffect, useRef } from 'preact/hooks';
import type { Job } from '../../../protocol/rest-jobs.ts';
import type { Rollout } from '../../../protocol/rest-rollout.ts';
import { jobLink } from '../model/route.ts';
import { safeLine } from '../model/safe-text.ts';
import { STATE_ORDER } from '../model/states.ts';
import { fetchJobs, type JobFilter } from '../net/endpoints.ts';
import { createStore, useStore } from '../net/store.ts';
import { Ago, Empty, ErrorBox, Loading, PageTitle, StateBadge, said } from './bits.ts';
import { html, view } from './html.ts';
import { JobTabs } from './job-tabs.ts';
import { usePages } from './use-pages.ts';

const JOBS_EVERY_MS = 4000;

const STATES: readonly { value: string; label: string }[] = [
  { value: '', label: 'All jobs' },
  { value: 'active', label: 'Going on' },
  { value: 'paused', label: 'Paused' },
  { value: 'failed', label: 'With failures' },
  { value: 'ended', label: 'Ended' },
];

/** Outlives the page: whoever comes back from a job finds the same list. */
const filterState = createStore<JobFilter>({ state: '', text: '', who: '' });

export function JobsPage({ org, mayRun }: { org: string; mayRun: boolean }): VNode {
  const filter = useStore(filterState);
  const isFiltered = Object.values(filter).some((value) => value !== '');
  const create = mayRun ? html`<a class="button primary" href="#/jobs/new">New job</a>` : null;
  return html`<div>${view(PageTitle, { title: 'Jobs' }, create)}
    ${view(JobTabs, { part: 'jobs' })}
    ${view(Filters, { filter })}
    ${view(JobsList, { org, filter, isFiltered, key: JSON.stringify(filter) })}
  </div>`;
}

/** What is typed counts when typing pauses. */
const TYPED_MS = 300;

function Filters({ filter }: { filter: JobFilter }): VNode {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const change = (part: Partial<JobFilter>) => filterState.set({ ...filterState.get(), ...part });
  const typed = (name: 'text' | 'who') => (event: Event) => {
    const { value } = event.currentTarget as HTMLInputElement;
    clearTimeout(timer.current);
    timer.current = setTimeout(() => change({ [name]: value }), TYPED_MS);
  };
  return html`<form class="toolbar filters" role="search" aria-label="Filter jobs" onSubmit=${(event: Event) => event.preventDefault()}>
    <select aria-label="State" value=${filter.state} onChange=${(event: Event) => change({ state: (event.currentTarget as HTMLSelectElement).value })}>
      ${STATES.map(({ value, label }) => html`<option key=${value} value=${value}>${label}</option>`)}
    </select>
    <input type="search" aria-label="Text" placeholder="Command, description, selector…" defaultValue=${filter.text} maxlength="256" onInput=${typed('text')} />
    <input type="search" aria-label="Who" placeholder="Who (exact name)" defaultValue=${filter.who} maxlength="128" onInput=${typed('who')} />
  </form>`;
}

interface ListProps {
  org: string;
  filter: JobFilter;
  isFiltered: boolean;
}

function JobsList({ org, filter, isFiltered }: ListProps): VNode {
  const {
    items: jobs,
    error,
    refresh,
    older,
    olderError,
  } = usePages((cursor, signal) => fetchJobs(org, filter, cursor, signal), JOBS_EVERY_MS, [org]);
  if (jobs === undefined)
    return error === undefined
      ? view(Loading, { what: 'jobs' })
      : view(ErrorBox, { error, onRetry: refresh });
  if (jobs.length === 0 && isFiltered) return html`<p class="loading" role="status">No job is so.</p>`;
  if (jobs.length === 0)
    return view(
      Empty,
      {
        title: 'Nothing was run yet',
        text: 'Each command that is run on machines becomes a job, with its output and how it ended.',
      },
      html`<a class="button primary" href="#/agents">Run a command</a>`,
    );
  return html`<div>
    <div class="table-box"><table class="jobs">
      <caption class="hidden">Jobs, newest first</caption>
      <thead><tr><th scope="col">Command</th><th scope="col">State</th><th scope="col">Where</th><th scope="col">When</th></tr></thead>
      <tbody>${jobs.map((job) => view(JobRow, { key: job.id, job }))}</tbody>
    </table></div>
    ${olderError === undefined ? null : view(ErrorBox, { error: olderError })}
    ${older === undefined ? null : html`<p class="actions"><button type="button" class="button" onClick=${older}>Older jobs</button></p>`}
  </div>`;
}

/** What the job does, in one line. */
export function jobTitle(job: Pick<Job, 'tool' | 'arguments' | 'kind' | 'script' | 'description'>): string {
  if (job.script !== null) {
    const what = job.description === '' ? 'script' : job.description;
    return safeLine(`${what} (${[job.script.interpreter, ...job.script.args].join(' ')})`);
  }
  if (job.kind === 'upgrade')
    return safeLine(`upgrade agents ${String(job.arguments['version'] ?? '')}`.trim());
  // Its arguments are the size of somebody's screen.
  if (job.tool === 'open_terminal') return job.tool;
  const command = job.arguments['command'];
  return safeLine(
    typeof command === 'string'
      ? command.trim().replaceAll('\n', ' ⏎ ')
      : `${job.tool} ${JSON.stringify(job.arguments)}`,
  );
}

function JobRow({ job }: { job: Job }): VNode {
  const title = jobTitle(job);
  return html`<tr>
    <td class="name script"><a href=${jobLink(job.id)} title=${title.slice(0, 1000)}><code><bdi>${title.slice(0, 300)}</bdi></code></a>
      ${job.description === '' || job.script !== null ? null : html`<small>${said(job.description)}</small>`}</td>
    <td data-label="State">${job.rollout === null ? null : html`<small class="quiet rollout-state">${rolloutText(job.rollout)}</small>`}<span class="badges">${STATE_ORDER.map(
      (state) => {
        const count = job.counts[state];
        return count === undefined || count === 0
          ? null
          : view(StateBadge, { key: state, state, count: count });
      },
    )}</span></td>
    <td data-label="Where" class="where"><code title=${job.selector}>${safeLine(job.selector)}</code></td>
    <td data-label="When">${view(Ago, { at: job.created_at })}<small>${said(job.created_by.name)}</small></td>
  </tr>`;
}

function rolloutText({ state, wave, waves }: Rollout): string {
  if (state === 'completed') return `${waves.length} waves`;
  return `${state.replace('_', ' ')}, wave ${wave} of ${waves.length}`;
}
