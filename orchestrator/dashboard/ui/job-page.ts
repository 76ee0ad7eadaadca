import type { VNode } from 'preact';

import { useState } from 'preact/hooks';
import type { Command, JobWithCommands } from '../../../protocol/rest-jobs.ts';
import { formatDuration } from '../model/format.ts';
import { type CommandView, countStates, countWaves, type JobView } from '../model/job-view.ts';
import { jobLink } from '../model/route.ts';
import { safeLine, safeLines } from '../model/safe-text.ts';
import { STATE_ORDER, stateTone } from '../model/states.ts';
import type { ApiError } from '../net/api.ts';
import { useJobFeed } from '../net/job-feed.ts';
import { Ago, ErrorBox, Loading, PageTitle, StateBadge, said } from './bits.ts';
import { CommandCard } from './command-card.ts';
import { draft } from './composer.ts';
import { GroupsPanel } from './groups-panel.ts';
import { html, view } from './html.ts';
import { JobActions } from './job-actions.ts';
import { jobTitle } from './jobs-page.ts';
import { RolloutStrip } from './rollout-strip.ts';
import { TargetList } from './target-list.ts';

/** With more commands than this their output is folded; a click shows it. */
const OPEN_COMMANDS = 6;
/** With more machines than this they are rows of a list, one of which shows its output. */
const MAX_CARDS = 20;

export function JobPage({ org, id, mayRun }: { org: string; id: string; mayRun: boolean }): VNode {
  const { job, view: shown, error, live, refresh } = useJobFeed(org, id);
  const [failure, setFailure] = useState<ApiError | undefined>(undefined);
  const crumb = html`<p class="crumb"><a href="#/jobs">Jobs</a></p>`;
  if (job === undefined) {
    return html`<div>${crumb}${view(PageTitle, { title: 'Job' })}
      ${error === undefined ? view(Loading, { what: 'job' }) : view(ErrorBox, { error, onRetry: refresh })}</div>`;
  }
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
  const kept = new Map(job.commands.map((command) => [command.id as string, command]));
  const actions = view(JobActions, {
    org,
    job,
    commands,
    mayRun,
    onAgain: again,
    onChanged: refresh,
    onFailure: setFailure,
  });
  return html`<div>${crumb}
    ${view(PageTitle, { title: 'Job' }, actions)}
    ${view(JobHead, { job, shown })}
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: refresh })}
    ${
      live === 'retrying' && error === undefined
        ? html`<p class="notice warn" role="status"><span>The live output was interrupted; connecting again. Nothing is lost: it goes on where it stopped.</span></p>`
        : null
    }
    ${job.rollout === null ? null : view(RolloutStrip, { rollout: job.rollout, counts: countWaves(shown) })}
    ${commands.length > 1 ? view(GroupsPanel, { org, id, ended: shown.ended }) : null}
    ${
      commands.length > MAX_CARDS
        ? view(TargetList, { org, commands, kept, counts: countStates(shown) })
        : view(Cards, { org, commands, kept })
    }
  </div>`;
}

interface CardsProps {
  org: string;
  commands: readonly CommandView[];
  kept: ReadonlyMap<string, Command>;
}

function Cards({ org, commands, kept }: CardsProps): VNode {
  const [onlyBad, setOnlyBad] = useState(false);
  const listed = onlyBad ? commands.filter(({ state }) => stateTone(state) === 'bad') : commands;
  return html`<div>
    ${
      commands.length > OPEN_COMMANDS
        ? html`<label class="toggle"><input type="checkbox" checked=${onlyBad} onChange=${() => setOnlyBad(!onlyBad)} /> Only what went wrong</label>`
        : null
    }
    <div class="cards">
      ${listed.map((command) => card(org, command, kept.get(command.id), commands.length <= OPEN_COMMANDS))}
    </div>
  </div>`;
}

const card = (org: string, command: CommandView, kept: Command | undefined, expanded: boolean): VNode =>
  view(CommandCard, { key: command.id, org, command, kept, expanded, revision: command.revision });

function JobHead({ job, shown }: { job: JobWithCommands; shown: JobView }): VNode {
  const counts = countStates(shown);
  const { stdin, command } = job.arguments;
  const script = job.script === null ? command : stdin;
  return html`<section class="card job-head" aria-label="What was asked">
    <pre class="code" tabIndex="0" aria-label="Command">${typeof script === 'string' ? safeLines(script) : jobTitle(job)}</pre>
    <p class="meta">
      <span class="badges" role="status" aria-label="States">${STATE_ORDER.filter((state) =>
        counts.has(state),
      ).map((state) => view(StateBadge, { key: state, state, count: counts.get(state) ?? 0 }))}</span>
      <span>started ${view(Ago, { at: job.created_at })} by ${said(job.created_by.name)}</span>
      <span>timeout ${formatDuration(job.timeout * 1000).replace(/ 00 (s|min)$/, '')}</span>
      <span class="selector-text">on <code title=${job.selector}>${safeLine(job.selector)}</code></span>
      ${job.script === null ? null : html`<span>script by <code>${safeLine([job.script.interpreter, ...job.script.args].join(' '))}</code></span>`}
      ${job.description === '' ? null : html`<span>${said(job.description)}</span>`}
      ${job.retry_of === null ? null : html`<a href=${jobLink(job.retry_of)}>retry of an earlier job</a>`}
      ${job.check_of === null ? null : html`<a href=${jobLink(job.check_of)}>health check of a job</a>`}
    </p>
  </section>`;
}
