import type { VNode } from 'preact';

import { useState } from 'preact/hooks';
import type { Command, JobWithCommands } from '../../../protocol/rest-jobs.ts';
import { formatDuration, plural } from '../model/format.ts';
import { type CommandView, countStates, type JobView } from '../model/job-view.ts';
import { safeLine, safeLines } from '../model/safe-text.ts';
import { isFinalState, STATE_ORDER, stateTone } from '../model/states.ts';
import { type ApiError, asApiError } from '../net/api.ts';
import { cancelJob } from '../net/endpoints.ts';
import { useIdempotencyKey } from '../net/hooks.ts';
import { useJobFeed } from '../net/job-feed.ts';
import { Ago, ConfirmButton, ErrorBox, Loading, PageTitle, StateBadge, said } from './bits.ts';
import { CommandCard } from './command-card.ts';
import { draft } from './composer.ts';
import { html, view } from './html.ts';
import { jobTitle } from './jobs-page.ts';

/** With more commands than this their output is folded; a click shows it. */
const OPEN_COMMANDS = 6;
const MAX_CARDS = 100;

export function JobPage({ org, id }: { org: string; id: string }): VNode {
  const { job, view: shown, error, live, refresh } = useJobFeed(org, id);
  const [failure, setFailure] = useState<ApiError | undefined>(undefined);
  const [onlyBad, setOnlyBad] = useState(false);
  const idempotency = useIdempotencyKey();
  const crumb = html`<p class="crumb"><a href="#/jobs">Jobs</a></p>`;
  if (job === undefined) {
    return html`<div>${crumb}${view(PageTitle, { title: 'Job' })}
      ${error === undefined ? view(Loading, { what: 'job' }) : view(ErrorBox, { error, onRetry: refresh })}</div>`;
  }

  const cancel = async () => {
    setFailure(undefined);
    try {
      await cancelJob(org, id, idempotency.keyFor(id));
    } catch (cause) {
      setFailure(asApiError(cause));
    }
    idempotency.settle();
    refresh();
  };
  const again = () => {
    const command = job.arguments['command'];
    draft.set({
      ...draft.get(),
      mode: 'selector',
      selector: job.selector,
      command: typeof command === 'string' ? command : '',
      timeout: String(job.timeout),
      unit: 's',
    });
    location.hash = '#/agents';
  };

  const commands = [...shown.commands.values()];
  const open = commands.filter(({ state }) => !isFinalState(state));
  const cancelling = open.length > 0 && open.every(({ cancelRequested }) => cancelRequested);
  const kept = new Map(job.commands.map((command) => [command.id as string, command]));
  const listed = onlyBad ? commands.filter(({ state }) => stateTone(state) === 'bad') : commands;
  return html`<div>${crumb}
    ${view(
      PageTitle,
      { title: 'Job' },
      html`<span class="job-actions">
        ${job.tool === 'execute_shell_command' ? html`<button type="button" class="button small" onClick=${again}>Run again…</button>` : null}
        ${
          open.length === 0
            ? null
            : view(ConfirmButton, {
                label: cancelling ? 'Cancelling…' : 'Cancel',
                question: `Cancel ${plural(open.length, 'command')}`,
                danger: true,
                disabled: cancelling,
                onConfirm: () => void cancel(),
              })
        }
      </span>`,
    )}
    ${view(JobHead, { job, shown })}
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: refresh })}
    ${
      live === 'retrying' && error === undefined
        ? html`<p class="notice warn" role="status"><span>The live output was interrupted; connecting again. Nothing is lost: it goes on where it stopped.</span></p>`
        : null
    }
    ${
      commands.length > OPEN_COMMANDS
        ? html`<label class="toggle"><input type="checkbox" checked=${onlyBad} onChange=${() => setOnlyBad(!onlyBad)} /> Only what went wrong</label>`
        : null
    }
    <div class="cards">
      ${listed.slice(0, MAX_CARDS).map((command) => card(org, command, kept.get(command.id), commands.length <= OPEN_COMMANDS))}
    </div>
    ${listed.length > MAX_CARDS ? html`<p class="quiet">${listed.length - MAX_CARDS} more machines are not shown; the counts above include them.</p>` : null}
  </div>`;
}

const card = (org: string, command: CommandView, kept: Command | undefined, expanded: boolean): VNode =>
  view(CommandCard, { key: command.id, org, command, kept, expanded, revision: command.revision });

function JobHead({ job, shown }: { job: JobWithCommands; shown: JobView }): VNode {
  const counts = countStates(shown);
  const script = job.arguments['command'];
  return html`<section class="card job-head" aria-label="What was asked">
    <pre class="code" tabIndex="0" aria-label="Command">${typeof script === 'string' ? safeLines(script) : jobTitle(job)}</pre>
    <p class="meta">
      <span class="badges" role="status" aria-label="States">${STATE_ORDER.filter((state) =>
        counts.has(state),
      ).map((state) => view(StateBadge, { key: state, state, count: counts.get(state) ?? 0 }))}</span>
      <span>started ${view(Ago, { at: job.created_at })} by ${said(job.created_by.name)}</span>
      <span>timeout ${formatDuration(job.timeout * 1000).replace(/ 00 (s|min)$/, '')}</span>
      <span class="selector-text">on <code title=${job.selector}>${safeLine(job.selector)}</code></span>
      ${job.description === '' ? null : html`<span>${said(job.description)}</span>`}
    </p>
  </section>`;
}
