import { sql } from 'kysely';
import { FAILED_STATES, isFinal } from '../../../protocol/command.ts';
import type { RolloutPlan } from '../../../protocol/rest-rollout.ts';
import { isAgentLock, stops } from '../../locks/match.ts';
import { activeLocks, selectorTargets } from '../../locks/read.ts';
import type { Tx } from '../../store/store.ts';
import type { Row } from '../../store/tables.ts';
import { isOnline } from '../../tenancy/agent-rows.ts';
import { stateOf } from '../record-change.ts';
import type { KeptWave } from './arrange.ts';
import type { GateFacts, Phase, RolloutFacts, WaveFacts } from './decide.ts';
import { keptWaves, limitsOf, planOf } from './read.ts';

/** A rollout as it is on disk, read once for each decision. */
export interface Loaded {
  row: Row<'rollouts'>;
  plan: RolloutPlan;
  waves: KeptWave[];
}

export async function loadRollout(
  tx: Tx,
  organizationId: string,
  jobId: string,
): Promise<Loaded | undefined> {
  const row = await tx
    .selectFrom('rollouts')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('job_id', '=', jobId)
    .executeTakeFirst();
  return row === undefined ? undefined : { row, plan: planOf(row), waves: keptWaves(row) };
}

/** The same as `isOnline`, for the store. */
export const ONLINE = sql<boolean>`(agents.connected_at is not null and (agents.disconnected_at is null or agents.disconnected_at < agents.connected_at))`;

export const withAgents = (tx: Tx, organizationId: string, jobId: string) =>
  tx
    .selectFrom('commands')
    .innerJoin('agents', (join) =>
      join
        .onRef('agents.organization_id', '=', 'commands.organization_id')
        .onRef('agents.id', '=', 'commands.agent_id'),
    )
    .where('commands.organization_id', '=', organizationId)
    .where('commands.job_id', '=', jobId);

const FAILED: ReadonlySet<string> = new Set(FAILED_STATES);

const emptyWave = (size: number): WaveFacts => ({
  size,
  waitingOnline: 0,
  waitingOffline: 0,
  queuedOffline: 0,
  active: 0,
  succeeded: 0,
  failed: 0,
  notRun: 0,
});

/** Where a command's machine stands in its wave. */
function placeOf(state: string, online: boolean): Exclude<keyof WaveFacts, 'size'> {
  if (state === 'succeeded') return 'succeeded';
  if (FAILED.has(state)) return 'failed';
  if (isFinal(stateOf({ state }))) return 'notRun';
  if (state === 'queued') return online ? 'active' : 'queuedOffline';
  if (state === 'sent' || state === 'accepted' || state === 'running') return 'active';
  return online ? 'waitingOnline' : 'waitingOffline';
}

/**
 * Connected machines of a rollout that are locked and have not begun: nothing is sent to them, so that they count as
 * those that are offline. A lock on the whole organization holds all of it up instead, as it does with everything.
 */
export async function lockedAgents(
  tx: Tx,
  row: Pick<Loaded['row'], 'organization_id' | 'job_id'>,
  now: number,
): Promise<{ agentId: string; wave: number | null; state: string }[]> {
  const locks = (await activeLocks(tx, row.organization_id, now)).filter(isAgentLock);
  if (locks.length === 0) return [];
  const waiting = await withAgents(tx, row.organization_id, row.job_id)
    .select(['commands.agent_id', 'commands.wave', 'commands.state'])
    .where('commands.wave', 'is not', null)
    .where('commands.ended_at', 'is', null)
    .where('commands.state', 'not in', ['sent', 'accepted', 'running'])
    .where(ONLINE)
    .execute();
  const targets = await selectorTargets(
    tx,
    row.organization_id,
    waiting.map(({ agent_id }) => agent_id),
  );
  return waiting.flatMap(({ agent_id: agentId, wave, state }) => {
    const agent = targets.get(agentId);
    return locks.some((lock) => stops(lock, { agent })) ? [{ agentId, wave, state }] : [];
  });
}

async function wavesOf(tx: Tx, { row, waves }: Loaded, now: number): Promise<WaveFacts[]> {
  const facts = waves.map(({ size }) => emptyWave(size));
  const counts = await withAgents(tx, row.organization_id, row.job_id)
    .select((e) => ['commands.wave', 'commands.state', ONLINE.as('online'), e.fn.countAll<number>().as('n')])
    .where('commands.wave', 'is not', null)
    .groupBy(['commands.wave', 'commands.state', 'online'])
    .execute();
  for (const { wave, state, online, n } of counts) {
    const of = facts[(wave ?? 0) - 1];
    if (of !== undefined) of[placeOf(state, Boolean(online))] += Number(n);
  }
  for (const { wave, state } of await lockedAgents(tx, row, now)) {
    const of = facts[(wave ?? 0) - 1];
    if (of === undefined) continue;
    of[placeOf(state, true)] -= 1;
    of[placeOf(state, false)] += 1;
  }
  return facts;
}

/** Machines of a wave that a gate looks at: it succeeded on them. */
export const gatedAgents = async (tx: Tx, { row }: Loaded) =>
  (
    await withAgents(tx, row.organization_id, row.job_id)
      .select(['agent_id', 'commands.vm_id', 'agents.connected_at', 'agents.disconnected_at'])
      .where('commands.wave', '=', row.wave)
      .where('commands.state', '=', 'succeeded')
      .execute()
  ).map((agent) => ({ agentId: agent.agent_id, vmId: agent.vm_id, online: isOnline(agent) }));

/** vm_ids that a gate found unwell, and how. A machine that the check did not reach is not connected. */
export async function lookAtGate(tx: Tx, loaded: Loaded): Promise<{ facts: GateFacts; unhealthy: string[] }> {
  const { row, plan, waves } = loaded;
  const agents = await gatedAgents(tx, loaded);
  const away = agents.filter(({ online }) => !online).map(({ vmId }) => vmId);
  const checkId = waves[row.wave - 1]?.check_job_id ?? null;
  const disconnected = away.length;
  if (plan.check === undefined || (checkId === null && away.length === agents.length))
    return { facts: { disconnected, check: 'none', failedCheck: 0 }, unhealthy: away };
  if (checkId === null) return { facts: { disconnected, check: 'to_start', failedCheck: 0 }, unhealthy: [] };
  const checks = await tx
    .selectFrom('commands')
    .select(['vm_id', 'state', 'ended_at'])
    .where('organization_id', '=', row.organization_id)
    .where('job_id', '=', checkId)
    .execute();
  if (checks.some(({ ended_at }) => ended_at === null))
    return { facts: { disconnected, check: 'running', failedCheck: 0 }, unhealthy: [] };
  const absent = new Set(away);
  const bad = checks.filter(({ vm_id, state }) => state !== 'succeeded' && !absent.has(vm_id));
  return {
    facts: { disconnected, check: 'ended', failedCheck: bad.length },
    unhealthy: [...away, ...bad.map(({ vm_id }) => vm_id)],
  };
}

export async function factsOf(tx: Tx, loaded: Loaded, now: number): Promise<RolloutFacts> {
  const { row, plan, waves } = loaded;
  const phase = row.phase as Phase;
  return {
    now,
    paused: row.state === 'paused',
    phase,
    phaseUntil: row.phase_until,
    wave: row.wave,
    waves: await wavesOf(tx, loaded, now),
    ...limitsOf(plan, row.total),
    pauseMs: plan.pause * 1000,
    gateMs: plan.gate_timeout * 1000,
    hasGate: plan.connected || plan.check !== undefined,
    unhealthy: waves.reduce((sum, { unhealthy }) => sum + unhealthy.length, 0),
    deadlineAt: row.deadline_at,
    gate: phase === 'gate' ? (await lookAtGate(tx, loaded)).facts : null,
  };
}
