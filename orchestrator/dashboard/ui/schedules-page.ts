import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { CreateScheduleRequest, Schedule } from '../../../protocol/rest-schedules.ts';
import { jobLink } from '../model/route.ts';
import { safeLine } from '../model/safe-text.ts';
import { usePolling } from '../net/hooks.ts';
import {
  createSchedule,
  fetchSchedules,
  removeSchedule,
  runSchedule,
  switchSchedule,
} from '../net/schedule-endpoints.ts';
import { Ago, ConfirmButton, Empty, ErrorBox, Loading, PageTitle, said, Until } from './bits.ts';
import { TextField } from './form-bits.ts';
import { html, view } from './html.ts';
import { JobTabs } from './job-tabs.ts';
import { type Submission, useSubmit } from './use-submit.ts';

const SCHEDULES_EVERY_MS = 5000;

export function SchedulesPage({ org, mayChange }: { org: string; mayChange: boolean }): VNode {
  const { data, error, refresh } = usePolling((signal) => fetchSchedules(org, signal), SCHEDULES_EVERY_MS, [
    org,
  ]);
  const [adding, setAdding] = useState(false);
  const { error: failure, run } = useSubmit();
  const act: Act = (work, asked) => void run(work, asked).then(refresh);
  const add = mayChange
    ? html`<button type="button" class="button primary" aria-expanded=${adding} onClick=${() => setAdding(!adding)}>New schedule</button>`
    : null;
  return html`<div>${view(PageTitle, { title: 'Schedules' }, add)}
    ${view(JobTabs, { part: 'schedules' })}
    ${
      adding
        ? view(NewSchedule, {
            org,
            onDone: () => {
              setAdding(false);
              refresh();
            },
          })
        : null
    }
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
    ${
      data === undefined
        ? error === undefined
          ? view(Loading, { what: 'schedules' })
          : view(ErrorBox, { error, onRetry: refresh })
        : data.length === 0
          ? view(Empty, {
              title: 'Nothing comes again yet',
              text: 'A schedule runs a command by cron: through the orchestrator, or carried by the machines, which then run it also while they are cut off.',
            })
          : view(List, { org, schedules: data, mayChange, act })
    }
  </div>`;
}

/** Does it, and shows what came of it. */
type Act = (...change: Parameters<Submission['run']>) => void;

interface ListProps {
  org: string;
  schedules: readonly Schedule[];
  mayChange: boolean;
  act: Act;
}

function List({ org, schedules, mayChange, act }: ListProps): VNode {
  return html`<div class="table-box"><table class="schedules">
    <caption class="hidden">Schedules</caption>
    <thead><tr><th scope="col">Name</th><th scope="col">When</th><th scope="col">Next</th><th scope="col">Last</th><th scope="col">Where</th>${mayChange ? html`<th scope="col"><span class="hidden">Actions</span></th>` : null}</tr></thead>
    <tbody>${schedules.map((each) => view(Row, { key: each.id, org, schedule: each, mayChange, act }))}</tbody>
  </table></div>`;
}

function whatText({ job }: Schedule): string {
  const { command } = job.arguments;
  return safeLine(typeof command === 'string' ? command : (job.script?.interpreter ?? job.tool)).slice(
    0,
    200,
  );
}

function Row({
  org,
  schedule,
  mayChange,
  act,
}: Omit<ListProps, 'schedules'> & { schedule: Schedule }): VNode {
  const { id, name, cron, time_zone, enabled, next_runs, last_job_id, last_due_at, runs_on, job } = schedule;
  const [first] = next_runs;
  const run = () =>
    act(
      async (key) => {
        const started = await runSchedule(org, id, key);
        location.hash = jobLink(started.id);
      },
      ['run', id],
    );
  return html`<tr class=${enabled ? '' : 'past'}>
    <td class="name">${said(name)}<small><code><bdi>${whatText(schedule)}</bdi></code></small></td>
    <td data-label="When"><code>${safeLine(cron)}</code><small>${said(time_zone)}</small></td>
    <td data-label="Next">${enabled ? (first === undefined ? 'never' : view(Until, { at: first })) : 'off'}</td>
    <td data-label="Last">${last_job_id === null || last_due_at === null ? html`<span class="quiet">never</span>` : html`<a href=${jobLink(last_job_id)}>${view(Ago, { at: last_due_at })}</a>`}</td>
    <td data-label="Where" class="where"><code title=${job.selector}>${safeLine(job.selector)}</code><small>${runs_on === 'agents' ? 'carried by the machines' : 'by the orchestrator'}</small></td>
    ${
      mayChange
        ? html`<td class="end"><span class="row-actions">
          <button type="button" class="button small" aria-label=${`Run now: ${name}`} onClick=${run}>Run now</button>
          <button type="button" class="button small" aria-label=${`${enabled ? 'Disable' : 'Enable'} ${name}`} onClick=${() => act(() => switchSchedule(org, id, !enabled))}>${enabled ? 'Disable' : 'Enable'}</button>
          ${view(ConfirmButton, { label: 'Remove', question: `Remove ${name}`, danger: true, onConfirm: () => act(() => removeSchedule(org, id)) })}
        </span></td>`
        : null
    }
  </tr>`;
}

const START = { name: '', cron: '', zone: 'UTC', selector: '', command: '', runsOn: 'orchestrator' };

function NewSchedule({ org, onDone }: { org: string; onDone: () => void }): VNode {
  const [draft, setDraft] = useState(START);
  const { busy, error, run } = useSubmit();
  const set = (name: keyof typeof START) => (value: string) => setDraft((old) => ({ ...old, [name]: value }));
  const submit = async (event: Event) => {
    event.preventDefault();
    const body: CreateScheduleRequest = {
      name: draft.name.trim(),
      cron: draft.cron.trim(),
      time_zone: draft.zone.trim(),
      runs_on: draft.runsOn === 'agents' ? 'agents' : 'orchestrator',
      job: { selector: draft.selector.trim(), arguments: { command: draft.command } },
    };
    if (await run((key) => createSchedule(org, body, key), body)) onDone();
  };
  return html`<form class="card new-schedule" aria-label="New schedule" onSubmit=${submit}>
    <h2>New schedule</h2>
    <div class="columns">
      ${view(TextField, { label: 'Name', value: draft.name, onChange: set('name'), placeholder: 'nightly-upgrade' })}
      ${view(TextField, { label: 'Selector', value: draft.selector, onChange: set('selector'), placeholder: 'env=prod', mono: true, hint: 'asked anew each time' })}
      ${view(TextField, { label: 'Cron', value: draft.cron, onChange: set('cron'), placeholder: '30 3 * * 1-5', mono: true, hint: 'minute hour day month weekday' })}
      ${view(TextField, { label: 'Time zone', value: draft.zone, onChange: set('zone'), placeholder: 'Europe/Berlin' })}
    </div>
    ${view(TextField, { label: 'Command', value: draft.command, onChange: set('command'), mono: true, rows: 3, hint: 'run by /bin/sh -c' })}
    <fieldset class="field"><legend>Who runs it</legend>
      ${[
        ['orchestrator', 'The orchestrator: offline machines run it when they return, within ten minutes'],
        ['agents', 'The machines themselves: given a day ahead, also while they are cut off'],
      ].map(
        ([value, label]) =>
          html`<label key=${value} class="choice"><input type="radio" name="runs-on" value=${value} checked=${draft.runsOn === value} onChange=${() => set('runsOn')(value ?? '')} /> ${label}</label>`,
      )}
    </fieldset>
    ${error === undefined ? null : view(ErrorBox, { error })}
    <p class="actions"><button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Creating…' : 'Create schedule'}</button></p>
  </form>`;
}
