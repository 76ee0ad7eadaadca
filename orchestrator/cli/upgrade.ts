import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { OutputSummary } from '../../protocol/command.ts';
import type { Agent } from '../../protocol/rest-fleet.ts';
import { type Command as AgentCommand, jobWithCommandsSchema } from '../../protocol/rest-jobs.ts';
import { UPGRADE_TOOL, type UpgradeReport, upgradeReportSchema } from '../../protocol/upgrade.ts';
import { listAgents } from './agents.ts';
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
import { planWaves, type Wave, wavesArgument } from './upgrade-waves.ts';

interface UpgradeFlags extends ClientFlags {
  selector: string;
  version?: string;
  allowDowngrade?: true;
  waves?: Wave[];
}

/** A selector of ids is at most 4,096 characters long. */
const MOST_IDS = 80;
/** Seconds: to begin, and for download, switch, grace and the way back. */
const EXPIRES_S = 600;
const TIMEOUT_S = 1800;

const DEFAULT_WAVES: readonly Wave[] = [{ count: 1 }, { percent: 10 }, { percent: 100 }];

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

/** One job, to its end. */
async function upgradeSome(
  deps: CliDeps,
  client: RestClient,
  flags: UpgradeFlags,
  wave: { number: number; agents: readonly Agent[] },
  signal: AbortSignal,
): Promise<Outcome[]> {
  const job = await client.call({
    method: 'POST',
    path: '/jobs',
    headers: { 'idempotency-key': randomUUID() },
    body: {
      selector: `id=${wave.agents.map(({ agent_id }) => agent_id).join('|')}`,
      tool: UPGRADE_TOOL,
      arguments: {
        ...(flags.version === undefined ? {} : { version: flags.version }),
        ...(flags.allowDowngrade ? { allow_downgrade: true } : {}),
      },
      timeout: TIMEOUT_S,
      expires_in: EXPIRES_S,
      description: `upgrade, wave ${wave.number}`,
    },
    answer: jobWithCommandsSchema,
  });
  const onLost = () => deps.stderr.write('Connection lost, trying again\n');
  for await (const event of followJob({ client, jobId: job.id, clock: deps.clock, signal, onLost }))
    if (event.type === 'end') break;
  const ended = await client.call({ path: `/jobs/${job.id}`, answer: jobWithCommandsSchema });
  return ended.commands.map((command) => outcomeOf(command, wave.number));
}

const line = (one: Outcome): string =>
  `wave ${one.wave}  ${one.vm_id}  ${one.from ?? '?'} -> ${one.to ?? '?'}  ${one.result.replace('_', ' ')}${one.reason === null ? '' : ` (${one.reason.replace(/\p{Cc}/gu, '?')})`}\n`;

async function upgradeFleet(deps: CliDeps, flags: UpgradeFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const found = (await listAgents(client, flags.selector)).filter(({ state }) => state === 'active');
  const online = found.filter((agent) => agent.online);
  const tell = (text: string) => (flags.json ? undefined : deps.stderr.write(text));
  for (const { vm_id } of found.filter((agent) => !agent.online)) tell(`${vm_id} is offline and left out\n`);
  const waves = planWaves(online, flags.waves ?? DEFAULT_WAVES);
  const stop = deps.shutdown();
  const outcomes: Outcome[] = [];
  try {
    for (const [index, agents] of waves.entries()) {
      tell(`Wave ${index + 1} of ${waves.length}: ${agents.length} of ${online.length} machines\n`);
      for (let at = 0; at < agents.length; at += MOST_IDS) {
        const some = { number: index + 1, agents: agents.slice(at, at + MOST_IDS) };
        const ended = await upgradeSome(deps, client, flags, some, stop.graceful);
        outcomes.push(...ended);
        if (!flags.json) for (const one of ended) await write(deps.stdout, line(one));
      }
      if (outcomes.some(({ ok }) => !ok) || stop.graceful.aborted) break;
    }
  } finally {
    stop.dispose();
  }
  const good = outcomes.every(({ ok }) => ok) && !stop.graceful.aborted;
  const left = online.length - outcomes.length;
  if (flags.json) await printJson(deps.stdout, { ok: good, left, agents: outcomes });
  else if (!good) tell(`Stopped: ${left} machines were not touched. What failed went back to its version.\n`);
  if (!good) deps.exitWith(1);
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
A wave begins when the one before has ended well on all its machines; the first failure ends it all, with exit code 1.
A machine whose new version does not work goes back by itself.

Example:
  vm-orchestrator upgrade --selector env=prod --waves 1,5,25%,100%`,
    )
    .action((flags: UpgradeFlags) => reporting(deps, flags, () => upgradeFleet(deps, flags)));
}
