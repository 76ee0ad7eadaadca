import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { CommandState } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  type CreateJobRequest,
  type JobWithCommands,
  jobWithCommandsSchema,
} from '../../protocol/rest-jobs.ts';
import { previewSchema } from '../../protocol/rest-rollout.ts';
import { listAgents } from './agents-list.ts';
import { sayWhatWaits } from './approval-notice.ts';
import { descriptionArgument, durationArgument, selectorArgument } from './arguments.ts';
import {
  CLIENT_HELP,
  type ClientFlags,
  clientFor,
  type RestClient,
  reporting,
  withClientFlags,
} from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, write } from './print.ts';
import {
  type RolloutFlags,
  rolloutOf,
  type ScriptFlags,
  scriptOf,
  withRolloutFlags,
  withScriptFlags,
} from './rollout-flags.ts';
import { previewText } from './rollout-text.ts';
import { followRun } from './run-follow.ts';

interface RunFlags extends ClientFlags, RolloutFlags, ScriptFlags {
  dryRun?: true;
  selector?: string;
  yes?: true;
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

const onAll = (machines: number): string => `running on ${machines} machines (all); --selector chooses\n`;

/** Whoever sits at a terminal and named no machines is asked whether all are meant. */
async function mayRun(deps: CliDeps, client: RestClient, flags: RunFlags): Promise<boolean> {
  if (flags.selector !== undefined || flags.yes || deps.confirm === undefined) return true;
  const { length } = await listAgents(client, 'all');
  if (length <= 1) return true;
  if (await deps.confirm(`Run on all ${length} machines (--selector chooses)?`)) return true;
  deps.stderr.write('Nothing was run.\n');
  return false;
}

/** What is to be done, and how. */
async function requestOf(words: readonly string[], flags: RunFlags): Promise<CreateJobRequest> {
  const { script: file } = flags;
  if (file === undefined && words.length === 0)
    throw new AppError('config_invalid', {
      detail: 'There is nothing to run.',
      hint: 'Write the command after --, or give a file with --script.',
    });
  if (file === undefined && flags.interpreter !== undefined)
    throw new AppError('config_invalid', { detail: '--interpreter needs --script.' });
  const rollout = rolloutOf(flags);
  return {
    selector: flags.selector ?? 'all',
    ...(file === undefined
      ? { arguments: { command: words.join(' ') } }
      : { script: await scriptOf({ ...flags, script: file }, words) }),
    ...(rollout === undefined ? {} : { rollout }),
    ...(flags.timeout === undefined ? {} : { timeout: flags.timeout }),
    ...(flags.expires === undefined ? {} : { expires_in: flags.expires }),
    ...(flags.description === undefined ? {} : { description: flags.description }),
  };
}

async function dryRun(deps: CliDeps, client: RestClient, body: CreateJobRequest, json: boolean) {
  const preview = await client.call({ method: 'POST', path: '/jobs/preview', body, answer: previewSchema });
  await (json ? printJson(deps.stdout, preview) : write(deps.stdout, previewText(preview)));
}

const waiting: ReadonlySet<CommandState> = new Set(['queued']);

/** `vm-orchestrator run`: a command on VMs, as if it ran here. */
export function register(program: Command, deps: CliDeps): void {
  const command = withScriptFlags(
    program
      .command('run')
      .description('run a command on the agents that a selector means, and show its output live')
      .usage('[options] -- COMMAND…')
      .argument('[command...]', 'words of a shell command; they are joined by spaces and run by /bin/sh -c')
      .option(
        '--selector <selector>',
        'which agents: all, key=value, role!=db, id=<vm_id>; joined by commas (default: all)',
        selectorArgument,
      )
      .option(
        '--timeout <time>',
        'how long each command may run, e.g. 90 or 5m (default: 300)',
        durationArgument('--timeout', { most: '7d' }),
      )
      .option(
        '--expires <time>',
        'how long it may wait for an agent that is offline (default: 24h)',
        durationArgument('--expires', { most: '7d' }),
      )
      .option('--description <text>', 'what it is for; shown in the list of jobs', descriptionArgument)
      .option('--yes', 'do not ask before it runs on all of several machines')
      .option('--detach', 'print the job’s id and leave')
      .option('--dry-run', 'show which machines are meant, in which waves, and run nothing'),
  );
  withClientFlags(withRolloutFlags(command))
    .addHelpText(
      'after',
      `${CLIENT_HELP}
Otherwise the exit code is the command's own if it is the same on all agents, else 1; 1 also where a
machine was unwell after its wave; 130 after Ctrl-C.
With an option of waves, concurrency, failures, pause, check or deadline the machines have their turns in waves, the
online ones first; see docs/operations.md, Rollouts.
Ctrl-C cancels the command on the VMs and waits for its end; a second one leaves at once. A cancel that cannot be
delivered ends with 3. When nobody reads the output any more (… | head), the command is cancelled, too.
With --json each event is printed as one JSON line.

Examples:
  vm-orchestrator run -- uptime
  vm-orchestrator run --selector env=prod,role!=db --timeout 5m -- 'apt-get update && apt-get -y upgrade'
  vm-orchestrator run --selector id=vm-web-1-a1b2c3 -- tar -C /etc -c . > etc.tar
  vm-orchestrator run --selector role=web --waves 1,10%,100% --check 'curl -fsS localhost/healthz' --script deploy.sh -- v42`,
    )
    .action((words: string[], flags: RunFlags) =>
      reporting(deps, flags, async () => {
        const client = await clientFor(deps, flags);
        const body = await requestOf(words, flags);
        if (flags.dryRun) return dryRun(deps, client, body, flags.json === true);
        if (!(await mayRun(deps, client, flags))) return deps.exitWith(1);
        const job = await submit(client, body);
        if (flags.detach) {
          if (flags.json) await printJson(deps.stdout, job);
          else {
            await write(deps.stdout, `${job.id}\n`);
            await sayWhatWaits(deps, client, job);
          }
          return;
        }
        if (!flags.json) await sayWhatWaits(deps, client, job);
        const several = job.commands.length > 1;
        if (!flags.json && flags.selector === undefined && several)
          await write(deps.stderr, onAll(job.commands.length));
        for (const one of flags.json ? [] : job.commands)
          if (waiting.has(one.state)) await write(deps.stderr, `queued for ${one.vm_id}: offline\n`);
        deps.exitWith(await followRun({ deps, client, job, json: flags.json === true }));
      }),
    );
}
