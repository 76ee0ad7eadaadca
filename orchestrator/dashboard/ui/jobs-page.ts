import type { VNode } from 'preact';

import { useState } from 'preact/hooks';
import type { Job } from '../../../protocol/rest-jobs.ts';
import { jobLink } from '../model/route.ts';
import { safeLine } from '../model/safe-text.ts';
import { STATE_ORDER } from '../model/states.ts';
import { type ApiError, asApiError } from '../net/api.ts';
import { fetchJobs } from '../net/endpoints.ts';
import { usePolling } from '../net/hooks.ts';
import { Ago, Empty, ErrorBox, Loading, PageTitle, StateBadge, said } from './bits.ts';
import { html, view } from './html.ts';

const JOBS_EVERY_MS = 4000;

export function JobsPage({ org }: { org: string }): VNode {
  const { data, error, refresh } = usePolling((signal) => fetchJobs(org, null, signal), JOBS_EVERY_MS, [org]);
  const [older, setOlder] = useState<{ items: Job[]; next: string | null } | undefined>(undefined);
  const [failure, setFailure] = useState<ApiError | undefined>(undefined);
  const next = older === undefined ? (data?.next_cursor ?? null) : older.next;

  const more = async () => {
    if (next === null) return;
    setFailure(undefined);
    try {
      const page = await fetchJobs(org, next);
      setOlder({ items: [...(older?.items ?? []), ...page.items], next: page.next_cursor });
    } catch (cause) {
      setFailure(asApiError(cause));
    }
  };

  if (data === undefined) {
    return html`<div>${view(PageTitle, { title: 'Jobs' })}
      ${error === undefined ? view(Loading, { what: 'jobs' }) : view(ErrorBox, { error, onRetry: refresh })}</div>`;
  }
  // Jobs move from the first page to the next while new ones come in.
  const jobs = [
    ...new Map([...(older?.items ?? []), ...data.items].map((job) => [job.id as string, job])).values(),
  ];
  jobs.sort((a, b) => (a.id < b.id ? 1 : -1));
  if (jobs.length === 0) {
    return html`<div>${view(PageTitle, { title: 'Jobs' })}
      ${view(Empty, { title: 'Nothing was run yet', text: 'Each command that is run on machines becomes a job, with its output and how it ended.' }, html`<a class="button primary" href="#/agents">Run a command</a>`)}</div>`;
  }
  return html`<div>${view(PageTitle, { title: 'Jobs' })}
    <div class="table-box"><table class="jobs">
      <caption class="hidden">Jobs, newest first</caption>
      <thead><tr><th scope="col">Command</th><th scope="col">State</th><th scope="col">Where</th><th scope="col">When</th></tr></thead>
      <tbody>${jobs.map((job) => view(JobRow, { key: job.id, job }))}</tbody>
    </table></div>
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
    ${next === null ? null : html`<p class="actions"><button type="button" class="button" onClick=${more}>Older jobs</button></p>`}
  </div>`;
}

/** What the job does, in one line. */
export function jobTitle(job: Pick<Job, 'tool' | 'arguments'>): string {
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
      ${job.description === '' ? null : html`<small>${said(job.description)}</small>`}</td>
    <td data-label="State"><span class="badges">${STATE_ORDER.map((state) => {
      const count = job.counts[state];
      return count === undefined || count === 0
        ? null
        : view(StateBadge, { key: state, state, count: count });
    })}</span></td>
    <td data-label="Where" class="where"><code title=${job.selector}>${safeLine(job.selector)}</code></td>
    <td data-label="When">${view(Ago, { at: job.created_at })}<small>${said(job.created_by.name)}</small></td>
  </tr>`;
}
