import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { type CommandState, isFinal } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  type CreateJobRequest,
  cancelResponseSchema,
  type JobEvent,
  type JobWithCommands,
  jobWithCommandsSchema,
} from '../../protocol/rest-jobs.ts';
import { durationArgument } from './arguments.ts';
import {
  CLIENT_HELP,
  type ClientFlags,
  clientFor,
  EXIT,
  type RestClient,
  reporting,
  withClientFlags,
} from './client.ts';
import type { CliDeps } from './deps.ts';
import { followJob } from './follow.ts';
import { createLinePrefixer } from './line-prefixer.ts';
import { printJson, write } from './print.ts';

interface RunFlags extends ClientFlags {
  selector: string;
  timeout?: number;
  expires?: number;
  description?: string;
  detach?: true;
}

/** A submission whose answer was lost is sent again: the key makes it the same one. */
async function submit(client: RestClient, body: CreateJobRequest): Promise<JobWithCommands> {
  const headers = { 'idempotency-key': randomUUID() };
  const send = () =>
    client.call({ method: 'POST', path: '/jobs', body, headers, answer: jobWithCommandsSchema });
  try {
    return await send();
  } catch (cause) {
    const broken = cause instanceof AppError && (cause.cause as NodeJS.ErrnoException)?.code === 'ECONNRESET';
    if (!broken) throw cause;
    return send();
  }
}

type StateEvent = Extract<JobEvent, { type: 'state' }>;

/** What people should know of a command that did not simply exit. */
function remark(event: StateEvent): string | undefined {
  const { state, reason, result, vm_id } = event;
  if (!isFinal(state) || state === 'succeeded') return undefined;
  if (state === 'failed' && result?.exit_code !== undefined && reason === 'exit') return undefined;
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
      const text = remark(event);
      if (text !== undefined) await write(deps.stderr, text);
    }
  };
}

async function follow(
  deps: CliDeps,
  client: RestClient,
  job: JobWithCommands,
  json: boolean,
): Promise<number> {
  const stop = deps.shutdown();
  const ends = new Map<string, StateEvent>();
  const print = createPrinter(deps, job.commands.length > 1);
  let cancelling: Promise<void> | undefined;
  const cancel = () => {
    deps.stderr.write('\nCancelling on the VMs; Ctrl-C again leaves at once.\n');
    cancelling = client
      .call({ method: 'POST', path: `/jobs/${job.id}/cancel`, answer: cancelResponseSchema })
      .then(
        () => undefined,
        (cause: unknown) => {
          const ended = cause instanceof AppError && cause.code === 'not_cancellable';
          if (!ended) deps.stderr.write(`The cancel was not taken: ${(cause as Error).message}\n`);
        },
      );
  };
  stop.graceful.addEventListener('abort', cancel, { once: true });
  try {
    const events = followJob({
      client,
      jobId: job.id,
      clock: deps.clock,
      signal: stop.hard,
      onLost: (cause) =>
        deps.stderr.write(`The connection was lost (${(cause as Error).message}); trying again.\n`),
    });
    for await (const event of events) {
      if (event.type === 'state' && isFinal(event.state)) ends.set(event.command_id, event);
      if (json) await printJson(deps.stdout, event);
      else await print(event);
    }
    await cancelling;
    return stop.graceful.aborted ? EXIT.interrupted : exitCodeOf(ends, job.commands.length);
  } finally {
    stop.graceful.removeEventListener('abort', cancel);
    stop.dispose();
  }
}

const waiting: ReadonlySet<CommandState> = new Set(['queued']);

/** `vm-orchestrator run`: a command on VMs, as if it ran here. */
export function register(program: Command, deps: CliDeps): void {
  withClientFlags(
    program
      .command('run')
      .description('Run a command on the agents that a selector means, and show its output live')
      .usage('[options] -- COMMAND…')
      .argument('<command...>', 'words of a shell command; they are joined by spaces and run by /bin/sh -c')
      .option(
        '--selector <selector>',
        'which agents: all, key=value, role!=db, id=<vm_id>; joined by commas',
        'all',
      )
      .option(
        '--timeout <time>',
        'how long each command may run, e.g. 90 or 5m (default: 300)',
        durationArgument,
      )
      .option(
        '--expires <time>',
        'how long it may wait for an agent that is offline (default: 24h)',
        durationArgument,
      )
      .option('--description <text>', 'what it is for; shown in the list of jobs')
      .option('--detach', 'print the job’s id and leave'),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}
Otherwise the exit code is the command's own if it is the same on all agents, else 1; 130 after Ctrl-C.
Ctrl-C cancels the command on the VMs and waits for its end; a second one leaves at once.
With --json each event is printed as one JSON line.

Examples:
  vm-orchestrator run -- uptime
  vm-orchestrator run --selector env=prod,role!=db --timeout 5m -- 'apt-get update && apt-get -y upgrade'
  vm-orchestrator run --selector id=vm-web-1-a1b2c3 -- tar -C /etc -c . > etc.tar`,
    )
    .action((words: string[], flags: RunFlags) =>
      reporting(deps, async () => {
        const client = await clientFor(deps, flags);
        const job = await submit(client, {
          selector: flags.selector,
          arguments: { command: words.join(' ') },
          ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
          ...(flags.expires === undefined ? {} : { expires_in: flags.expires }),
          ...(flags.description === undefined ? {} : { description: flags.description }),
        });
        if (flags.detach) {
          if (flags.json) await printJson(deps.stdout, job);
          else await write(deps.stdout, `${job.id}\n`);
          return;
        }
        for (const command of job.commands)
          if (waiting.has(command.state)) await write(deps.stderr, `queued for ${command.vm_id}: offline\n`);
        deps.exitWith(await follow(deps, client, job, flags.json === true));
      }),
    );
}
