import type { Clock } from '../../base/clock.ts';
import {
  type Actor,
  type CommandPayload,
  DEFAULT_COMMAND_LIFE_S,
  mayFollow,
} from '../../protocol/command.ts';
import { AppError } from '../../protocol/errors.ts';
import type { AgentId, JobId, OrganizationId } from '../../protocol/ids.ts';
import { type AuditActor, recordAll, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { CommandKeys, CommandSigner } from '../ca/command-keys.ts';
import type { Bus } from '../hub/bus.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import type { Dispatch, Offer } from './dispatch.ts';
import type { Expiry } from './expiry.ts';
import type { SubmitHooks } from './hooks.ts';
import { epochOf, inChunks, type Order, signCommand, takeSeqs } from './issue.ts';
import {
  type CommandRow,
  commandIdOf,
  recordChanges,
  selectCommands,
  stateEvent,
  stateOf,
  takeEventIds,
} from './record-change.ts';

/** Commands whose turn has come, after they were signed and stored. */
export interface Released {
  /** Those that leave with the commit. */
  offers: { agentId: string; offer: Offer }[];
  /** Agents that have something queued. */
  waiting: string[];
  rows: CommandRow[];
}

export interface ReleaseRequest {
  organizationId: OrganizationId;
  jobId: JobId;
  /** Who let it go. */
  actor: Actor;
  address: string | null;
  /** Who approved it; all commands of the job name them, also those of later waves. */
  approvals: CommandPayload['approvals'];
  /** Work of the same transaction, before anything is released; what it throws leaves all as it was. */
  within?: (tx: Tx) => Promise<void>;
}

/**
 * Starts a job that is held in `awaiting_approval`. @throws AppError `not_found`, `conflict` when nothing of it waits.
 */
export type Release = (request: ReleaseRequest) => Promise<void>;

export interface Releaser {
  release: Release;
  /** Signs and queues commands of one job, in the caller's transaction. */
  give(tx: Tx, job: Row<'jobs'>, rows: readonly CommandRow[], context: GiveContext): Promise<Released>;
  /** After the commit of `give`. */
  committed(released: Released): void;
}

interface GiveContext {
  signer: CommandSigner;
  now: number;
  actor: AuditActor;
  address?: string | null;
  /** At the latest (ms since the epoch). */
  until?: number;
}

export const readJobRow = (tx: Tx, organizationId: string, jobId: string) =>
  tx
    .selectFrom('jobs')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('id', '=', jobId)
    .executeTakeFirst();

export const lifeMsOf = (job: Pick<Row<'jobs'>, 'expires_in_s'>): number =>
  (job.expires_in_s ?? DEFAULT_COMMAND_LIFE_S) * 1000;

export function createReleaser(options: {
  commits: GroupCommit;
  keys: Pick<CommandKeys, 'prepareSigner'>;
  dispatch: Dispatch;
  expiry: Pick<Expiry, 'watch'>;
  bus: Bus;
  clock: Clock;
  outputCap: number;
  hooks: Pick<SubmitHooks, 'proofs'>;
  onRollout: (organizationId: OrganizationId, jobId: JobId) => void;
}): Releaser {
  const { commits, keys, dispatch, expiry, bus, clock, outputCap, hooks } = options;

  async function orderOf(tx: Tx, job: Row<'jobs'>): Promise<Order> {
    const approvals = JSON.parse(job.approvals ?? '[]') as CommandPayload['approvals'];
    const proofs = await hooks.proofs?.(tx, job, approvals);
    return {
      organizationId: job.organization_id as OrganizationId,
      jobId: job.id as JobId,
      epoch: await epochOf(tx, job.organization_id),
      tool: job.tool,
      arguments: JSON.parse(job.arguments) as Record<string, unknown>,
      lane: job.lane ?? job.id,
      timeoutS: job.timeout_s,
      outputCap,
      actor: JSON.parse(job.created_by) as Actor,
      approvals,
      ...(proofs === undefined ? {} : { proofs }),
    };
  }

  async function give(
    tx: Tx,
    job: Row<'jobs'>,
    rows: readonly CommandRow[],
    context: GiveContext,
  ): Promise<Released> {
    const { signer, now, actor, address = null, until = Number.POSITIVE_INFINITY } = context;
    const released: Released = { offers: [], waiting: [], rows: [] };
    if (rows.length === 0) return released;
    const order = await orderOf(tx, job);
    const seqs = await takeSeqs(
      tx,
      job.organization_id,
      rows.map((row) => row.agent_id),
    );
    const events: { row: CommandRow; from: string; state: 'queued' | 'sent' }[] = [];
    for (const row of rows) {
      if (!mayFollow(stateOf(row), 'queued')) continue;
      const agentId = row.agent_id as AgentId;
      const commandId = commandIdOf(row);
      const seq = seqs.get(agentId) ?? 0;
      const expiresAt = Math.min(now + lifeMsOf(job), until);
      const signed = signCommand(signer, order, { commandId, agentId, seq, issuedAt: now, expiresAt });
      const state = dispatch.takesNow(agentId) ? 'sent' : 'queued';
      await tx
        .updateTable('commands')
        .set({
          seq,
          envelope: JSON.stringify(signed.envelope),
          delegation: JSON.stringify(signed.delegation),
          expires_at: expiresAt,
          state,
          ...(state === 'sent' ? { sent_at: now } : {}),
        })
        .where('organization_id', '=', row.organization_id)
        .where('id', '=', row.id)
        .execute();
      events.push({ row, from: row.state, state: 'queued' });
      if (state === 'sent') events.push({ row, from: 'queued', state });
      released.rows.push({ ...row, state, expires_at: expiresAt });
      if (state === 'sent') released.offers.push({ agentId, offer: { id: commandId, ...signed } });
      else released.waiting.push(agentId);
    }
    await tell(tx, job, events, { now, actor, address });
    return released;
  }

  /** Events and audit entries of many commands in few statements; each is what `recordChange` would write. */
  async function tell(
    tx: Tx,
    job: Row<'jobs'>,
    changes: readonly { row: CommandRow; from: string; state: string }[],
    by: { now: number; actor: AuditActor; address: string | null },
  ): Promise<void> {
    if (changes.length === 0) return;
    const { organization_id: organizationId, id: jobId } = job;
    const { first } = await takeEventIds(tx, { organizationId, jobId }, changes.length);
    const events = changes.map(({ row, state }, index) =>
      stateEvent(row, { id: first + index, at: by.now, state, reason: null }),
    );
    await inChunks(events, (chunk) => tx.insertInto('job_events').values(chunk).execute());
    await recordAll(
      tx,
      changes.map(({ row, from, state }) => ({
        at: by.now,
        organizationId,
        action: 'command.state',
        actor: by.actor,
        address: by.address,
        target: row.id,
        detail: { job_id: jobId, agent_id: row.agent_id, from, to: state },
      })),
    );
  }

  function committed({ offers, waiting, rows }: Released): void {
    for (const { agentId, offer } of offers) dispatch.offer(agentId, offer);
    for (const agentId of waiting) bus.publish({ topic: 'agent', agent_id: agentId });
    for (const row of rows) expiry.watch(row);
  }

  async function start(tx: Tx, request: ReleaseRequest, signer: CommandSigner) {
    const { organizationId, jobId, actor, address } = request;
    await request.within?.(tx);
    const job = await readJobRow(tx, organizationId, jobId);
    if (job === undefined) throw new AppError('not_found', { detail: `There is no job ${jobId}.` });
    const rows = await selectCommands(tx, organizationId)
      .where('job_id', '=', jobId)
      .where('state', '=', 'awaiting_approval')
      .orderBy('position')
      .orderBy('id')
      .execute();
    if (rows.length === 0)
      throw new AppError('conflict', { detail: `No command of ${jobId} waits for an approval.` });
    const approvals = JSON.stringify(request.approvals);
    await tx
      .updateTable('jobs')
      .set({ approvals })
      .where('organization_id', '=', organizationId)
      .where('id', '=', jobId)
      .execute();
    const now = clock.now();
    const waves = await tx
      .updateTable('rollouts')
      .set({ state: 'running' })
      .where('organization_id', '=', organizationId)
      .where('job_id', '=', jobId)
      .where('state', '=', 'awaiting_approval')
      .returning('job_id')
      .executeTakeFirst();
    if (waves === undefined) {
      const context = { signer, now, actor: SYSTEM_ACTOR, address };
      return { inWaves: false, released: await give(tx, { ...job, approvals }, rows, context) };
    }
    for (const row of rows) await recordChanges(tx, row, [{ kind: 'scheduled' }], { now, actor, address });
    return { inWaves: true, released: { offers: [], waiting: [], rows: [] } };
  }

  return {
    give,
    committed,
    async release(request) {
      const { organizationId, jobId } = request;
      const signer = await keys.prepareSigner(organizationId);
      await commits.run(
        (tx) => start(tx, request, signer),
        ({ inWaves, released }) => {
          committed(released);
          bus.publish({ topic: 'job', organization_id: organizationId, job_id: jobId });
          if (inWaves) options.onRollout(organizationId, jobId);
        },
      );
    },
  };
}
