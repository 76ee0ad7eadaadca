import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { isFinal, type OutputSummary } from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  type Command as AgentCommand,
  type CreateJobRequest,
  commandSchema,
  type JobWithCommands,
  jobSchema,
  jobWithCommandsSchema,
} from '../../protocol/rest-jobs.ts';
import { type UpgradeReport, upgradeReportSchema } from '../../protocol/upgrade.ts';
import { type Amount, DEFAULT_WAVES } from '../../protocol/waves.ts';
import { selectorArgument } from './arguments.ts';
import {
  CLIENT_HELP,
  type ClientFlags,
  clientFor,
  type RestClient,
  reporting,
  withClientFlags,
} from './client.ts';
import type { CliDeps } from './deps.ts';
import { followJob } from './follow.ts';
import { printJson, write } from './print.ts';
import { wavesArgument } from './rollout-flags.ts';
import { plural } from './rollout-text.ts';

interface UpgradeFlags extends ClientFlags {
  selector: string;
  version?: string;
  allowDowngrade?: true;
  waves?: Amount[];
}

/** Seconds: to begin, and for download, switch, grace and the way back. */
const EXPIRES_S = 600;
const TIMEOUT_S = 1800;

interface Outcome {
  vm_id: string;
  wave: number;
  ok: boolean;
  result: string;
  from: string | null;
  to: string | null;
  reason: string | null;
}

const textOf = (output: OutputSummary | undefined): string =>
  output === undefined
    ? ''
    : Buffer.concat([Buffer.from(output.head, 'base64'), Buffer.from(output.tail, 'base64')]).toString(
        'utf8',
      );

function lastReport(stdout: string): UpgradeReport | undefined {
  try {
    return upgradeReportSchema.safeParse(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).data;
  } catch {
    return undefined;
  }
}

function outcomeOf(command: AgentCommand, wave: number): Outcome {
  const { result } = command;
  const report = lastReport(textOf(result?.stdout));
  const ok =
    command.state === 'succeeded' && (report?.state === 'committed' || report?.state === 'up_to_date');
  const said = result?.error?.message ?? textOf(result?.stderr).trim().split('\n').at(-1);
  const reason = report?.reason ?? (ok ? undefined : (said ?? command.reason ?? undefined));
  return {
    vm_id: command.vm_id,
    wave,
    ok,
    result: report?.state ?? command.state,
    from: report?.from ?? null,
    to: report?.to ?? null,
    reason: reason === undefined || reason === '' ? null : reason,
  };
}

const line = (one: Outcome): string =>
  `wave ${one.wave}  ${one.vm_id}  ${one.from ?? '?'} -> ${one.to ?? '?'}  ${one.result.replace('_', ' ')}${one.reason === null ? '' : ` (${one.reason.replace(/\p{Cc}/gu, '?')})`}\n`;

function submit(client: RestClient, flags: UpgradeFlags): Promise<JobWithCommands> {
  const body: CreateJobRequest = {
    selector: flags.selector,
    upgrade: {
      ...(flags.version === undefined ? {} : { version: flags.version }),
      ...(flags.allowDowngrade ? { allow_downgrade: true } : {}),
    },
    rollout: { waves: flags.waves ?? [...DEFAULT_WAVES], max_failures: 0, offline: 'skip' },
    timeout: TIMEOUT_S,
    expires_in: EXPIRES_S,
    description: 'upgrade',
  };
  const headers = { 'idempotency-key': randomUUID() };
  return client.call({ method: 'POST', path: '/jobs', headers, body, answer: jobWithCommandsSchema });
}

/** Tells what becomes of the machines as it goes; resolves with their outcomes, in the order of their ends. */
async function followUpgrade(
  deps: CliDeps,
  client: RestClient,
  job: JobWithCommands,
  options: { signal: AbortSignal; json: boolean },
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const tell = (text: string) => (options.json ? undefined : deps.stderr.write(text));
  const onLost = () => tell('Connection lost, trying again\n');
  const { clock } = deps;
  for await (const event of followJob({ client, jobId: job.id, clock, signal: options.signal, onLost })) {
    if (event.type === 'rollout' && event.event === 'wave_started') {
      const { waves = [] } = job.rollout ?? {};
      tell(`Wave ${event.wave} of ${waves.length}: ${plural(waves[event.wave - 1]?.size ?? 0, 'machine')}\n`);
    }
    if (event.type !== 'state' || !isFinal(event.state) || event.state === 'skipped') continue;
    const command = await client.call({ path: `/commands/${event.command_id}`, answer: commandSchema });
    const outcome = outcomeOf(command, command.wave ?? 0);
    outcomes.push(outcome);
    if (!options.json) await write(deps.stdout, line(outcome));
  }
  return outcomes;
}

/** Whoever leaves stops what has not begun: the waves wait until somebody lets them go on. */
async function pauseWaves(deps: CliDeps, client: RestClient, job: JobWithCommands, json: boolean) {
  try {
    const headers = { 'idempotency-key': randomUUID() };
    await client.call({ method: 'POST', path: `/jobs/${job.id}/pause`, headers, answer: jobSchema });
    if (!json)
      deps.stderr.write(`Paused. Go on with: vm-orchestrator jobs resume ${job.id} (or cancel it)\n`);
  } catch (cause) {
    // It was over already.
    if (!(cause instanceof AppError && cause.code === 'conflict')) throw cause;
  }
}

async function upgradeFleet(deps: CliDeps, flags: UpgradeFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const json = flags.json === true;
  const job = await submit(client, flags);
  for (const { vm_id } of job.commands.filter(({ reason }) => reason === 'offline'))
    if (!json) deps.stderr.write(`${vm_id} is offline and left out\n`);
  const stop = deps.shutdown();
  let outcomes: Outcome[];
  try {
    outcomes = await followUpgrade(deps, client, job, { signal: stop.graceful, json });
    if (stop.graceful.aborted) await pauseWaves(deps, client, job, json);
  } finally {
    stop.dispose();
  }
  const good = outcomes.every(({ ok }) => ok) && !stop.graceful.aborted;
  const total = job.rollout?.waves.reduce((sum, { size }) => sum + size, 0) ?? 0;
  const left = total - outcomes.length;
  if (json) await printJson(deps.stdout, { ok: good && left === 0, left, job_id: job.id, agents: outcomes });
  else if (!good)
    deps.stderr.write(
      `Stopped: ${plural(left, 'machine')} not touched. What failed went back to its version.\n`,
    );
  if (!good || left > 0) deps.exitWith(1);
}

/** `vm-orchestrator upgrade`: the fleet to the release that this orchestrator serves, wave by wave. */
export function register(program: Command, deps: CliDeps): void {
  withClientFlags(
    program
      .command('upgrade')
      .description('upgrade agents to the release that the orchestrator serves, wave by wave')
      .option(
        '--selector <selector>',
        'which agents; those that are offline are left out',
        selectorArgument,
        'all',
      )
      .option('--version <version>', 'only to this version')
      .option('--allow-downgrade', 'also to an older release')
      .option(
        '--waves <list>',
        'how many machines, or which share, each wave brings it to (default: 1,10%,100%)',
        wavesArgument,
      ),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}
A wave begins when the one before has ended well on all its machines and they are connected again; the first failure
stops the rest, with exit code 1. A machine whose new version does not work goes back by itself. It is a job like
others: vm-orchestrator jobs shows, pauses and cancels it. Ctrl-C pauses it.

Example:
  vm-orchestrator upgrade --selector env=prod --waves 1,5,25%,100%`,
    )
    .action((flags: UpgradeFlags) => reporting(deps, flags, () => upgradeFleet(deps, flags)));
}
