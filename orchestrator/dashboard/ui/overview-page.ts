import type { VNode } from 'preact';
import { quarantineText } from '../../../protocol/quarantine.ts';
import type { Overview } from '../../../protocol/rest-overview.ts';
import { plural } from '../model/format.ts';
import { agentLink, jobLink } from '../model/route.ts';
import { fetchOverview } from '../net/endpoints.ts';
import { useFleet, useJobsChanged } from '../net/fleet-feed.ts';
import { usePolling } from '../net/hooks.ts';
import { LockSign } from './agents-table.ts';
import { Ago, Empty, ErrorBox, Loading, PageTitle, StateBadge, said, Until } from './bits.ts';
import { html, view } from './html.ts';
import { jobTitle } from './jobs-page.ts';
import { Restored } from './restored-card.ts';

const OVERVIEW_EVERY_MS = 15_000;

/** The first page: what is offline, what failed, what expires soon. */
export function OverviewPage({ org, mayAdd }: { org: string; mayAdd: boolean }): VNode {
  const { fleet } = useFleet(org);
  const jobs = useJobsChanged(org);
  // What changes is told at once by the fleet's events; the rest is a matter of time.
  const { data, error, refresh } = usePolling(
    (signal) => fetchOverview(org, signal),
    OVERVIEW_EVERY_MS,
    [org],
    [fleet.online, fleet.byId.size, fleet.locked, jobs],
  );
  if (data === undefined) {
    return html`<div>${view(PageTitle, { title: 'Overview' })}
      ${error === undefined ? view(Loading, { what: 'overview' }) : view(ErrorBox, { error, onRetry: refresh })}</div>`;
  }
  if (data.machines.total === 0) {
    return html`<div>${view(PageTitle, { title: 'Overview' })}
      ${view(
        Empty,
        {
          title: 'No machines yet',
          text: mayAdd
            ? 'Create a token, paste one line into a shell on the machine, and it appears here within seconds.'
            : 'An operator or an admin of this organization can add some.',
        },
        mayAdd ? html`<a class="button primary" href="#/add">Add a machine</a>` : null,
      )}</div>`;
  }
  return html`<div>${view(PageTitle, { title: 'Overview' })}
    ${view(Figures, { data })}
    <div class="overview">
      ${view(Restored, { data })} ${view(Rollouts, { data })} ${view(Held, { data })} ${view(Offline, { data })} ${view(Failed, { data })} ${view(Expiring, { data })}
    </div>
  </div>`;
}

function Figures({ data }: { data: Overview }): VNode {
  const { machines, jobs, approvals } = data;
  const waiting = machines.quarantined + machines.pending;
  const figures: { count: number; label: string; href: string; tone: string }[] = [
    { count: machines.online, label: 'online', href: '#/agents?q=online', tone: 'good' },
    {
      count: machines.offline,
      label: 'offline',
      href: '#/agents?q=offline',
      tone: machines.offline > 0 ? 'bad' : '',
    },
    ...(waiting > 0
      ? [{ count: waiting, label: 'wait to be admitted', href: '#/agents', tone: 'warn' }]
      : []),
    ...(machines.locked > 0
      ? [{ count: machines.locked, label: 'locked', href: '#/agents?q=locked', tone: 'warn' }]
      : []),
    ...(approvals !== null && approvals.pending > 0
      ? [
          {
            count: approvals.pending,
            label: approvals.pending === 1 ? 'approval is asked for' : 'approvals are asked for',
            href: '#/approvals',
            tone: 'warn',
          },
        ]
      : []),
    { count: jobs.active, label: jobs.active === 1 ? 'job runs' : 'jobs run', href: '#/jobs', tone: '' },
    {
      count: jobs.failed_commands,
      label: `${jobs.failed_commands === 1 ? 'command' : 'commands'} failed in 24 h`,
      href: '#/jobs',
      tone: jobs.failed_commands > 0 ? 'bad' : '',
    },
  ];
  return html`<ul class="figures">${figures.map(
    ({ count, label, href, tone }) =>
      html`<li key=${label}><a href=${href} class=${tone}><b>${count}</b> ${label}</a></li>`,
  )}</ul>`;
}

/** Those that go on only when somebody does something. */
function Rollouts({ data }: { data: Overview }): VNode | null {
  if (data.rollouts.length === 0) return null;
  return html`<section class="card" aria-labelledby="rollouts"><h2 id="rollouts">Rollouts that wait or stopped</h2>
    <ul class="entries">${data.rollouts.map(
      ({ job, state, wave, waves, detail, ended_at }) => html`<li key=${job.id}>
        <a class="script" href=${jobLink(job.id)}><code><bdi>${jobTitle(job).slice(0, 200)}</bdi></code></a>
        <span class=${`badge ${state === 'stopped' ? 'bad' : ''}`}>${state}</span>
        <span class="quiet">wave ${wave} of ${waves}${detail === null ? '' : `: ${detail}`}</span>
        ${ended_at === null ? null : html`<span class="end">${view(Ago, { at: ended_at })}</span>`}</li>`,
    )}</ul>
  </section>`;
}

function Held({ data }: { data: Overview }): VNode | null {
  const { held } = data;
  if (held.length === 0) return null;
  return html`<section class="card" aria-labelledby="held"><h2 id="held">Get nothing now</h2>
    <ul class="entries">${held.map(
      ({ agent_id, vm_id, hostname, state, quarantine, lock }) => html`<li key=${agent_id}>
        <a href=${agentLink(agent_id)}>${vm_id}</a> <span class="quiet">${said(hostname)}</span>
        ${state === 'active' ? null : html`<span class="badge bad">${state}</span>`}
        ${quarantine == null ? null : html`<span class="quiet">${said(quarantineText(quarantine))}</span>`}
        ${lock === null ? null : view(LockSign, { lock })}</li>`,
    )}</ul>
  </section>`;
}

function Offline({ data }: { data: Overview }): VNode {
  const { offline, machines } = data;
  return html`<section class="card" aria-labelledby="offline"><h2 id="offline">Offline</h2>
    ${
      offline.length === 0
        ? html`<p class="quiet">Every machine is connected.</p>`
        : html`<ul class="entries">${offline.map(
            ({ agent_id, vm_id, hostname, last_seen_at }) => html`<li key=${agent_id}>
          <a href=${agentLink(agent_id)}>${vm_id}</a> <span class="quiet">${said(hostname)}</span>
          <span class="end">${last_seen_at === null ? 'never connected' : view(Ago, { at: last_seen_at })}</span></li>`,
          )}</ul>`
    }
    ${machines.offline > offline.length ? html`<p><a href="#/agents?q=offline">All ${machines.offline}</a></p>` : null}
  </section>`;
}

function Failed({ data }: { data: Overview }): VNode {
  return html`<section class="card" aria-labelledby="failed"><h2 id="failed">Failed in the last 24 hours</h2>
    ${
      data.failed.length === 0
        ? html`<p class="quiet">Nothing failed.</p>`
        : html`<ul class="entries">${data.failed.map(
            (each) => html`<li key=${`${each.job.id} ${each.state} ${each.reason}`}>
          <a class="script" href=${jobLink(each.job.id)}><code><bdi>${jobTitle(each.job).slice(0, 200)}</bdi></code></a>
          ${view(StateBadge, { state: each.state })}
          <span class="quiet">${each.machines === 1 ? each.vm_id : plural(each.machines, 'machine')}</span>
          <span class="end">${view(Ago, { at: each.ended_at })}</span></li>`,
          )}</ul>`
    }
  </section>`;
}

const KINDS = {
  certificate: 'Certificate of',
  authority: 'CA certificate:',
  server_certificate: 'Certificate of this orchestrator:',
  provisioning_token: 'Provisioning token',
  api_token: 'API token',
};
const LINKS = {
  certificate: agentLink,
  authority: () => '#/',
  server_certificate: () => '#/',
  provisioning_token: () => '#/tokens',
  api_token: () => '#/settings/api-tokens',
};

function Expiring({ data }: { data: Overview }): VNode {
  return html`<section class="card" aria-labelledby="expiring"><h2 id="expiring">Expires soon</h2>
    ${
      data.expiring.length === 0
        ? html`<p class="quiet">Nothing: certificates renew by themselves at half of their life.</p>`
        : html`<ul class="entries">${data.expiring.map(
            ({ kind, id, name, at }) => html`<li key=${`${kind} ${id}`}>
          <a href=${LINKS[kind](id)}>${KINDS[kind]} ${said(name === '' ? id : name)}</a>
          <span class="end">${view(Until, { at })}</span></li>`,
          )}</ul>`
    }
  </section>`;
}
