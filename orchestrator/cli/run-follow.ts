import { isFinal } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { JobId } from '../../protocol/ids.ts';
import {
  cancelResponseSchema,
  type JobEvent,
  type JobWithCommands,
  jobWithCommandsSchema,
} from '../../protocol/rest-jobs.ts';
import { denialText } from './approval-notice.ts';
import { EXIT, type RestClient } from './client.ts';
import type { CliDeps } from './deps.ts';
import { followJob } from './follow.ts';
import { createLinePrefixer } from './line-prefixer.ts';
import { OutputError, printJson, write } from './print.ts';
import { createProgress } from './progress.ts';
import { progressText, reportText } from './rollout-text.ts';

type StateEvent = Extract<JobEvent, { type: 'state' }>;

/** What people should know of a command's end; of a single one that simply exited, its exit code says it. */
function remark(event: StateEvent, several: boolean): string | undefined {
  const { state, reason, result, vm_id } = event;
  // Of what never began the report at the end tells.
  if (state === 'succeeded' || state === 'skipped') return undefined;
  if (state === 'failed' && result?.exit_code !== undefined && reason === 'exit')
    return several ? `${vm_id}: exit code ${result.exit_code}\n` : undefined;
  const why = result?.error?.message ?? (result?.signal ? `signal ${result.signal}` : reason);
  return `${vm_id}: ${state.replace('_', ' ')}${why ? ` (${why})` : ''}\n`;
}

/** The exit code of all if they agree, else 1. */
function exitCodeOf(ends: ReadonlyMap<string, StateEvent>, commands: number): number {
  const codes = [...ends.values()].map(({ state, result }) =>
    state === 'succeeded' || state === 'failed' ? (result?.exit_code ?? 1) : 1,
  );
  const [first = 1] = codes;
  return codes.length === commands && codes.every((code) => code === first) ? first : 1;
}

/** Prints events as people want them: one VM as if it ran here, several with their names. */
function createPrinter(deps: CliDeps, several: boolean) {
  const prefixer = createLinePrefixer();
  return async (event: JobEvent): Promise<void> => {
    if (event.type === 'output') {
      const data = Buffer.from(event.data, 'base64');
      await write(deps[event.stream], several ? prefixer.push(event.vm_id, event.stream, data) : data);
    } else if (event.type === 'state' && isFinal(event.state)) {
      for (const stream of ['stdout', 'stderr'] as const)
        await write(deps[stream], prefixer.end(event.vm_id, stream));
      const text = remark(event, several);
      if (text !== undefined) await write(deps.stderr, text);
    }
  };
}

type RolloutStep = Extract<JobEvent, { type: 'rollout' }>;

/** A line for what people wait for. */
function waveText({ event, wave, detail }: RolloutStep, waves: number): string | undefined {
  if (event === 'wave_started') return `Wave ${wave} of ${waves}\n`;
  if (event === 'stopped') return `Stopped in wave ${wave} of ${waves}: ${detail ?? ''}\n`;
  if (event === 'paused') return 'Paused; what is at work goes on\n';
  return event === 'resumed' ? 'Resumed\n' : undefined;
}

async function readEnded(client: RestClient, id: JobId): Promise<JobWithCommands> {
  const query = { output: 'none' };
  return client.call({ path: `/jobs/${id}`, query, answer: jobWithCommandsSchema });
}

/** Machines on which it succeeded, and which the gate of their wave found unwell: they count as failed. */
const hasUnwell = ({ rollout }: JobWithCommands): boolean =>
  rollout?.waves.some(({ unhealthy }) => unhealthy.length > 0) ?? false;

/** Asks for the end of the job's commands; that they have ended already is as good. @throws AppError */
async function cancelJob(client: RestClient, id: JobId, signal: AbortSignal): Promise<void> {
  try {
    const path = `/jobs/${id}/cancel`;
    await client.call({ method: 'POST', path, signal, answer: cancelResponseSchema });
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    if (cause.code === 'not_cancellable') return;
    throw new AppError(cause.code, {
      detail: `The cancel was not taken: ${cause.message} Job ${id} runs on.`,
      hint: `When the orchestrator is back: vm-orchestrator jobs cancel ${id}`,
      cause,
    });
  }
}

/**
 * Prints a job's events to its end; resolves with the exit code. The first Ctrl-C cancels the job, a second one
 * leaves. @throws AppError when a cancel could not be delivered: then nobody follows a job that runs on.
 */
export async function followRun(options: {
  deps: CliDeps;
  client: RestClient;
  job: JobWithCommands;
  json: boolean;
}): Promise<number> {
  const { deps, client, job, json } = options;
  // For machines stderr holds nothing but a problem.
  const notice = (text: string) => {
    if (!json) deps.stderr.write(text);
  };
  const stop = deps.shutdown();
  const undelivered = new AbortController();
  const ends = new Map<string, StateEvent>();
  const { rollout } = job;
  const waves = rollout?.waves.length ?? 0;
  const progress = createProgress(deps.stderr, rollout !== null && !json);
  let wave = '';
  /** It was stopped: whatever the commands say, it has not gone through. */
  let stopped = false;
  const draw = () => {
    const states = new Map([...ends].map(([id, event]) => [id, event.state as string]));
    if (rollout !== null) progress.show(progressText(states, job.commands.length, wave));
  };
  const print = createPrinter(deps, job.commands.length > 1);
  let cancelling: Promise<void> | undefined;
  const cancel = () => {
    notice('\nCancelling on the VMs; Ctrl-C again leaves at once.\n');
    cancelling = cancelJob(client, job.id, stop.hard);
    // It is thrown below, when the loop has ended.
    cancelling.catch(() => undelivered.abort());
  };
  stop.graceful.addEventListener('abort', cancel, { once: true });
  try {
    const events = followJob({
      client,
      jobId: job.id,
      clock: deps.clock,
      signal: AbortSignal.any([stop.hard, undelivered.signal]),
      onLost: (cause) => notice(`Connection lost, trying again (${(cause as Error).message})\n`),
    });
    for await (const event of events) {
      if (event.type === 'state' && isFinal(event.state)) ends.set(event.command_id, event);
      if (event.type === 'rollout' && event.event === 'stopped') stopped = true;
      if (json) await printJson(deps.stdout, event);
      else {
        progress.clear();
        await print(event);
        if (event.type === 'rollout') {
          wave = `, wave ${event.wave} of ${waves}${event.event === 'paused' ? ', paused' : ''}`;
          const text = waveText(event, waves);
          if (text !== undefined) await write(deps.stderr, text);
        }
        draw();
      }
    }
    progress.clear();
    const ended = rollout !== null && !stop.hard.aborted ? await readEnded(client, job.id) : undefined;
    if (ended !== undefined && !json) await write(deps.stderr, reportText(ended));
    if (!json && [...ends.values()].some(({ reason }) => reason === 'denied')) {
      const text = await denialText(client, job.id);
      if (text !== undefined) await write(deps.stderr, text);
    }
    // A job that has ended needs no cancel any more.
    if (ends.size < job.commands.length && !stop.hard.aborted) await cancelling;
    if (stop.graceful.aborted) return EXIT.interrupted;
    const code = exitCodeOf(ends, job.commands.length);
    const isBad = stopped || (ended !== undefined && hasUnwell(ended));
    return isBad && code === 0 ? 1 : code;
  } catch (cause) {
    // As a pipe ends a program that runs here: what nobody reads is not to go on there.
    if (cause instanceof OutputError) await (cancelling ?? cancelJob(client, job.id, stop.hard));
    throw cause;
  } finally {
    progress.clear();
    stop.graceful.removeEventListener('abort', cancel);
    stop.dispose();
  }
}
