import type { VNode } from 'preact';
import { useRef } from 'preact/hooks';
import type { JobWithCommands } from '../../../protocol/rest-jobs.ts';
import { plural } from '../model/format.ts';
import type { CommandView } from '../model/job-view.ts';
import { jobLink } from '../model/route.ts';
import { isFinalState, stateTone } from '../model/states.ts';
import { type ApiError, asApiError } from '../net/api.ts';
import { controlJob, retryJob } from '../net/endpoints.ts';
import { useIdempotencyKey } from '../net/hooks.ts';
import { ConfirmButton } from './bits.ts';
import { html, view } from './html.ts';

export interface JobActionsProps {
  org: string;
  job: JobWithCommands;
  commands: readonly CommandView[];
  mayRun: boolean;
  onAgain: () => void;
  onChanged: () => void;
  onFailure: (error: ApiError | undefined) => void;
}

/** What may be done with a job now, for those who may. */
export function JobActions(props: JobActionsProps): VNode | null {
  const { org, job, commands, mayRun, onAgain, onChanged, onFailure } = props;
  const idempotency = useIdempotencyKey();
  const queue = useRef(Promise.resolve());
  if (!mayRun) return null;

  const once = async (what: string, work: (key: string) => Promise<void>) => {
    onFailure(undefined);
    try {
      await work(idempotency.keyFor([job.id, what]));
      idempotency.settle();
    } catch (cause) {
      const failure = asApiError(cause);
      if (failure.status >= 400 && failure.status < 500) idempotency.settle();
      onFailure(failure);
    }
    onChanged();
  };
  // One after the other, in the order in which they were asked for.
  const act = (what: string, work: (key: string) => Promise<void>) => {
    queue.current = queue.current.then(() => once(what, work));
  };
  const control = (what: 'cancel' | 'pause' | 'resume') => () =>
    act(what, async (key) => void (await controlJob(org, job.id, what, key)));
  const retry = (which: 'failed' | 'not_run' | 'all') => () =>
    act(`retry ${which}`, async (key) => {
      location.hash = jobLink((await retryJob(org, job.id, which, key)).id);
    });

  const open = commands.filter(({ state }) => !isFinalState(state));
  const state = job.rollout?.state;
  const over = job.state === 'ended' && open.length === 0;
  const goesOn = !over && (open.length > 0 || state === 'running' || state === 'paused');
  const cancelling =
    state === 'cancelled' || (open.length > 0 && open.every(({ cancelRequested }) => cancelRequested));
  const failed = commands.filter((command) => stateTone(command.state) === 'bad').length;
  const notRun = commands.filter(
    (command) => isFinalState(command.state) && stateTone(command.state) === 'off',
  ).length;
  const simple = (label: string, onClick: () => void) =>
    html`<button type="button" class="button small" onClick=${onClick}>${label}</button>`;
  const again = (label: string, count: number, which: 'failed' | 'not_run' | 'all') =>
    view(ConfirmButton, {
      label,
      question: `Run it again on ${plural(count, 'machine')}`,
      onConfirm: retry(which),
    });
  return html`<span class="job-actions">
    ${over && failed > 0 ? again(`Retry failed (${failed})`, failed, 'failed') : null}
    ${over && notRun > 0 ? again(`Retry all that did not succeed (${failed + notRun})`, failed + notRun, 'all') : null}
    ${job.kind === 'command' && job.check_of === null ? simple('Run again…', onAgain) : null}
    ${state === 'running' ? simple('Pause', control('pause')) : null}
    ${state === 'paused' ? simple('Resume', control('resume')) : null}
    ${
      goesOn
        ? view(ConfirmButton, {
            label: cancelling ? 'Cancelling…' : 'Cancel',
            question: `Cancel ${plural(open.length, 'command')}`,
            danger: true,
            disabled: cancelling,
            onConfirm: control('cancel'),
          })
        : null
    }
  </span>`;
}
