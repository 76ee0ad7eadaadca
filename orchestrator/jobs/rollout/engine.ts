import { type Clock, every, type Timer } from '../../../base/clock.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Actor } from '../../../protocol/command.ts';
import type { AgentId, JobId, OrganizationId } from '../../../protocol/ids.ts';
import { createJobRequestSchema } from '../../../protocol/rest-jobs.ts';
import { SYSTEM_ACTOR } from '../../audit/audit.ts';
import type { CommandKeys, CommandSigner } from '../../ca/command-keys.ts';
import type { Bus } from '../../hub/bus.ts';
import type { GroupCommit } from '../../store/group-commit.ts';
import type { Store, Tx } from '../../store/store.ts';
import type { Row } from '../../store/tables.ts';
import { selectCommands } from '../record-change.ts';
import { type Released, type Releaser, readJobRow } from '../release.ts';
import type { Stored, Submit } from '../submit.ts';
import { applyStep, keyOf, saveRollout } from './apply.ts';
import { type Action, afterPass, decideRollout } from './decide.ts';
import {
  factsOf,
  gatedAgents,
  type Loaded,
  loadRollout,
  lockedAgents,
  lookAtGate,
  ONLINE,
  withAgents,
} from './facts.ts';

/** Hints may be lost, and agents come and go: each open rollout is looked at this often at least. */
const SWEEP_MS = 5000;
/** Between two looks at a rollout in which much happens. */
const CALM_MS = 100;
const RETRY_MS = 1000;
/** Commands that are signed in one transaction: others wait for it. */
const MOST_RELEASED = 200;
/** Steps in one transaction; a rollout that takes more goes on in the next. */
const MOST_STEPS = 16;

export interface RolloutEngine {
  /** A rollout began, or was changed by somebody. */
  watch(organizationId: OrganizationId, jobId: JobId): void;
  /** An agent came: machines that were offline may have their turn. */
  agentCame(): void;
  /** Finds what is open; after a restart. */
  recover(): Promise<void>;
  close(): Promise<void>;
}

interface Watched {
  organizationId: OrganizationId;
  jobId: JobId;
  timer?: Timer | undefined;
  running: boolean;
  again: boolean;
  lastAt: number;
  /** The job whose end the gate waits for. */
  checkJobId?: string | null;
}

interface Ticked {
  released: Released[];
  checks: Stored[];
  /** Whether readers of its events have something new. */
  changed: boolean;
  /** Null: it is over. */
  wakeAt: number | null;
  again: boolean;
}

export function createRolloutEngine(options: {
  store: Pick<Store, 'db'>;
  commits: GroupCommit;
  keys: Pick<CommandKeys, 'prepareSigner'>;
  releaser: Releaser;
  submit: Pick<Submit, 'prepare' | 'store' | 'committed'>;
  bus: Bus;
  clock: Clock;
  log: Logger;
}): RolloutEngine {
  const { store, commits, keys, releaser, submit, bus, clock, log } = options;
  const watched = new Map<string, Watched>();
  let closed = false;
  let running = 0;
  let idle: (() => void) | undefined;

  async function release(tx: Tx, loaded: Loaded, job: Row<'jobs'>, count: number, signer: CommandSigner) {
    const { row } = loaded;
    const most = Math.min(count, MOST_RELEASED);
    const locked = new Set((await lockedAgents(tx, row, clock.now())).map(({ agentId }) => agentId));
    const next = await withAgents(tx, row.organization_id, row.job_id)
      .select(['commands.id', 'commands.agent_id'])
      .where('commands.state', '=', 'scheduled')
      .where('commands.wave', '<=', row.wave)
      .where(ONLINE)
      .orderBy('commands.wave')
      .orderBy('commands.position')
      .limit(most + locked.size)
      .execute();
    const free = next.filter(({ agent_id }) => !locked.has(agent_id));
    const ids = free.slice(0, most).map(({ id }) => id);
    if (ids.length === 0) return { offers: [], waiting: [], rows: [] };
    const rows = await selectCommands(tx, row.organization_id)
      .where('id', 'in', ids)
      .orderBy('position')
      .execute();
    const context = { signer, now: clock.now(), actor: SYSTEM_ACTOR, until: row.deadline_at };
    return releaser.give(tx, job, rows, context);
  }

  /** The check is a job of its own on the wave's machines, asked for by who asked for the rollout. */
  async function startCheck(
    tx: Tx,
    loaded: Loaded,
    job: Row<'jobs'>,
    signer: CommandSigner,
  ): Promise<Stored> {
    const { row, plan, waves } = loaded;
    const { check, gate_timeout: patience } = plan;
    const wave = waves[row.wave - 1];
    if (check === undefined || wave === undefined) throw new Error(`${row.job_id} has no check to start`);
    const agents = (await gatedAgents(tx, loaded)).filter(({ online }) => online);
    const request = {
      organizationId: row.organization_id as OrganizationId,
      actor: JSON.parse(job.created_by) as Actor,
      address: null,
      idempotencyKey: undefined,
      body: createJobRequestSchema.parse({
        selector: job.selector,
        arguments: { command: check.command },
        timeout: check.timeout,
        expires_in: patience,
        description: `check after wave ${row.wave} of ${row.job_id}`,
      }),
      origin: {
        kind: 'check' as const,
        jobId: row.job_id as JobId,
        agentIds: new Set(agents.map(({ agentId }) => agentId as AgentId)),
      },
    };
    const stored = await submit.store(tx, request, submit.prepare(request, signer));
    wave.check_job_id = stored.jobId;
    await saveRollout(tx, loaded, {}, clock.now(), { event: 'gate', detail: `check ${stored.jobId}` });
    return stored;
  }

  async function step(
    tx: Tx,
    loaded: Loaded,
    job: Row<'jobs'>,
    action: Action,
    signer: CommandSigner,
    ticked: Ticked,
  ): Promise<void> {
    const now = clock.now();
    switch (action.do) {
      case 'release':
        ticked.released.push(await release(tx, loaded, job, action.count, signer));
        return;
      case 'start_check':
        ticked.checks.push(await startCheck(tx, loaded, job, signer));
        return;
      case 'pass_wave': {
        const { row, waves, plan } = loaded;
        const unhealthy = action.unhealthy === 0 ? [] : (await lookAtGate(tx, loaded)).unhealthy;
        Object.assign(waves[row.wave - 1] ?? {}, { ended_at: now, unhealthy });
        const after = afterPass({ now, wave: row.wave, waves: waves.length, pauseMs: plan.pause * 1000 });
        return applyStep(tx, loaded, job, after, now);
      }
      case 'stop': {
        const wave = loaded.waves[loaded.row.wave - 1];
        if (action.reason === 'health_gate' && wave !== undefined)
          wave.unhealthy = (await lookAtGate(tx, loaded)).unhealthy;
        return applyStep(tx, loaded, job, action, now);
      }
      default:
        return applyStep(tx, loaded, job, action, now);
    }
  }

  async function steps(tx: Tx, one: Watched, signer: CommandSigner): Promise<Ticked> {
    const ticked: Ticked = { released: [], checks: [], changed: false, wakeAt: null, again: false };
    const job = await readJobRow(tx, one.organizationId, one.jobId);
    const loaded = await loadRollout(tx, one.organizationId, one.jobId);
    if (job === undefined || loaded === undefined) return ticked;
    for (let taken = 0; taken < MOST_STEPS; taken++) {
      one.checkJobId = loaded.waves[loaded.row.wave - 1]?.check_job_id ?? null;
      if (loaded.row.state !== 'running' && loaded.row.state !== 'paused') return ticked;
      const { action, wakeAt } = decideRollout(await factsOf(tx, loaded, clock.now()));
      if (action === undefined) return { ...ticked, wakeAt: wakeAt ?? loaded.row.deadline_at };
      ticked.changed = true;
      await step(tx, loaded, job, action, signer, ticked);
      if (action.do === 'release' && action.count > MOST_RELEASED) break;
    }
    return { ...ticked, wakeAt: clock.now(), again: true };
  }

  async function tick(one: Watched): Promise<void> {
    const signer = await keys.prepareSigner(one.organizationId);
    const ticked = await commits.run(
      (tx) => steps(tx, one, signer),
      ({ released, checks, changed }) => {
        for (const each of released) releaser.committed(each);
        for (const each of checks) submit.committed(each, one.organizationId);
        if (changed) bus.publish({ topic: 'job', organization_id: one.organizationId, job_id: one.jobId });
      },
    );
    if (ticked.wakeAt === null) {
      one.timer?.cancel();
      watched.delete(keyOf(one));
    } else arm(one, Math.max(ticked.wakeAt - clock.now(), ticked.again ? 0 : 1));
  }

  function arm(one: Watched, ms: number): void {
    one.timer?.cancel();
    if (!closed) one.timer = clock.setTimer(ms, () => kick(one), { background: true });
  }

  function kick(one: Watched): void {
    if (closed) return;
    if (one.running) {
      one.again = true;
      return;
    }
    const calm = one.lastAt + CALM_MS - clock.now();
    if (calm > 0) {
      arm(one, calm);
      return;
    }
    one.running = true;
    one.again = false;
    running += 1;
    one.timer?.cancel();
    tick(one)
      .catch((cause: unknown) => {
        log.error({ err: cause, job_id: one.jobId }, 'a rollout could not go on; it is tried again');
        arm(one, RETRY_MS);
      })
      .finally(() => {
        one.running = false;
        one.lastAt = clock.now();
        running -= 1;
        if (running === 0) idle?.();
        if (one.again && watched.has(keyOf(one))) kick(one);
      });
  }

  function watch(organizationId: OrganizationId, jobId: JobId): void {
    const key = keyOf({ organizationId, jobId });
    const one = watched.get(key) ?? {
      organizationId,
      jobId,
      running: false,
      again: false,
      lastAt: Number.NEGATIVE_INFINITY,
    };
    watched.set(key, one);
    kick(one);
  }

  const kickAll = () => {
    for (const one of watched.values()) kick(one);
  };

  async function recover(): Promise<void> {
    const open = await store.db
      .selectFrom('rollouts')
      .select(['organization_id', 'job_id'])
      .where('ended_at', 'is', null)
      .where('state', '!=', 'awaiting_approval')
      .execute();
    for (const row of open) watch(row.organization_id as OrganizationId, row.job_id as JobId);
  }

  const unsubscribe = bus.subscribe((hint) => {
    if (watched.size === 0) return;
    if (hint.topic === 'locks')
      for (const one of watched.values()) if (one.organizationId === hint.organization_id) kick(one);
    if (hint.topic !== 'job') return;
    for (const one of watched.values())
      if (one.jobId === hint.job_id || one.checkJobId === hint.job_id) kick(one);
  });
  const timer = every(clock, SWEEP_MS, kickAll);

  return {
    watch,
    agentCame: kickAll,
    recover,
    async close() {
      closed = true;
      timer.cancel();
      unsubscribe();
      for (const one of watched.values()) one.timer?.cancel();
      if (running > 0)
        await new Promise<void>((resolve) => {
          idle = resolve;
        });
    },
  };
}
