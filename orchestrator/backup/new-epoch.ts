import type { Clock } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { type AuditActor, record, recordAll } from '../audit/audit.ts';
import { newestNote } from '../audit/checkpoints.ts';
import { raiseTrustVersion } from '../ca/roots.ts';
import { recordChange, selectCommands } from '../jobs/record-change.ts';
import { saveRollout } from '../jobs/rollout/apply.ts';
import { loadRollout } from '../jobs/rollout/facts.ts';
import { AHEAD_MS, next } from '../schedules/due.ts';
import type { Store, Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';

/** Epochs are counted in seconds from here (2020-01-01): room for 68 years in 32 bits. */
const EPOCH_ZERO_MS = Date.UTC(2020, 0, 1);

/**
 * The epoch that follows. Two restores of one backup must not come to the same: each would give out the same numbers
 * to other commands. So it is made from the time, and is larger than the one before in any case. Pure.
 */
export const epochAfter = (epoch: number, nowMs: number): number =>
  Math.max(epoch + 1, Math.floor((nowMs - EPOCH_ZERO_MS) / 1000));

/** When another restore can begin another epoch (ms since the epoch). */
export const epochIsOver = (nowMs: number): number => (Math.floor(nowMs / 1000) + 1) * 1000;

export interface NewEpoch {
  restore_id: string;
  backup_at: string;
  organizations: {
    organization: string;
    epoch: number;
    audit_size: number;
    commands_held: number;
    commands_skipped: number;
    rollouts_paused: number;
    tokens_revoked: number;
    occurrences_skipped: number;
  }[];
  /** People who must sign in again. */
  sessions_ended: number;
}

interface Context {
  tx: Tx;
  id: string;
  now: number;
  backupAt: number;
  source: 'backup' | 'in_place';
  actor: AuditActor;
}

/** What waited to be sent waits for somebody; what nobody waits for any more is given up. */
async function holdCommands({ tx, now, actor }: Context, organizationId: string) {
  const rows = await selectCommands(tx, organizationId).where('state', '=', 'queued').execute();
  const counts = { held: 0, skipped: 0 };
  for (const row of rows) {
    const job = await tx
      .selectFrom('jobs')
      .select(['origin', 'due_at'])
      .where('organization_id', '=', organizationId)
      .where('id', '=', row.job_id)
      .executeTakeFirstOrThrow();
    // Somebody waited for a call, and has gone; an occurrence of later would come at its release.
    const isOver = job.origin === 'call' || row.trail !== 'full' || Number(job.due_at ?? 0) > now;
    const event = isOver
      ? ({ kind: 'withheld', state: 'skipped', reason: 'restored' } as const)
      : ({ kind: 'held' } as const);
    await recordChange(tx, row, event, { now, actor });
    counts[isOver ? 'skipped' : 'held'] += 1;
  }
  return counts;
}

async function pauseRollouts({ tx, now, actor }: Context, organizationId: string): Promise<number> {
  const running = await tx
    .selectFrom('rollouts')
    .select('job_id')
    .where('organization_id', '=', organizationId)
    .where('state', '=', 'running')
    .where('ended_at', 'is', null)
    .execute();
  for (const { job_id: jobId } of running) {
    const loaded = await loadRollout(tx, organizationId, jobId);
    if (loaded !== undefined)
      await saveRollout(tx, loaded, { state: 'paused' }, now, {
        event: 'paused',
        actor,
        detail: 'the orchestrator was restored from a backup',
      });
  }
  return running.length;
}

/** Whoever found one in the meantime may hold it: it enrolls nobody any more. */
async function revokeTokens({ tx, id, now, actor }: Context, organizationId: string): Promise<number> {
  const dead = await tx
    .updateTable('provisioning_tokens')
    .set({ revoked_at: now })
    .where('organization_id', '=', organizationId)
    .where('revoked_at', 'is', null)
    .where('expires_at', '>', now)
    .whereRef('used', '<', 'uses')
    .returning('id')
    .execute();
  await recordAll(
    tx,
    dead.map((token) => ({
      at: now,
      organizationId,
      action: 'token.revoke',
      actor,
      target: token.id,
      detail: { reason: 'restored', restore_id: id },
    })),
  );
  return dead.length;
}

/** Occurrences from the backup until now may have been carried out by the orchestrator that was lost. */
async function skipOccurrences({ tx, id, now, actor }: Context, organizationId: string): Promise<number> {
  const schedules = await tx
    .selectFrom('schedules')
    .selectAll()
    .where('organization_id', '=', organizationId)
    .where('next_at', 'is not', null)
    .execute();
  let skipped = 0;
  for (const schedule of schedules) {
    const until = schedule.runs_on === 'agents' ? now + AHEAD_MS : now;
    if (Number(schedule.next_at) > until) continue;
    skipped += 1;
    const nextAt = next(schedule, until);
    await tx
      .updateTable('schedules')
      .set({ next_at: nextAt })
      .where('organization_id', '=', organizationId)
      .where('id', '=', schedule.id)
      .execute();
    await record(tx, {
      at: now,
      organizationId,
      action: 'schedule.skipped',
      actor,
      target: schedule.id,
      detail: {
        name: schedule.name,
        why: 'the orchestrator was restored from a backup, and what came since may have been run',
        from: isoTime(Number(schedule.next_at)),
        next_at: nextAt === null ? null : isoTime(nextAt),
        restore_id: id,
      },
    });
  }
  return skipped;
}

async function beginIn(context: Context, organization: Row<'organizations'>, admitKnown: boolean) {
  const { tx, id, now, backupAt, source, actor } = context;
  const organizationId = organization.id;
  const epoch = epochAfter(organization.command_epoch, now);
  await tx
    .updateTable('organizations')
    .set({ command_epoch: epoch })
    .where('id', '=', organizationId)
    .execute();
  const audit_size = Number((await newestNote(tx, organizationId))?.size ?? 0);
  const rollouts_paused = await pauseRollouts(context, organizationId);
  const commands = await holdCommands(context, organizationId);
  const tokens_revoked = await revokeTokens(context, organizationId);
  const occurrences_skipped = await skipOccurrences(context, organizationId);
  const counts = { epoch, audit_size, commands_held: commands.held, rollouts_paused, tokens_revoked };
  await tx
    .insertInto('restores')
    .values({
      organization_id: organizationId,
      id,
      at: now,
      backup_at: backupAt,
      source,
      admit_known: admitKnown ? 1 : 0,
      ...counts,
    })
    .execute();
  const detail = { ...counts, commands_skipped: commands.skipped, occurrences_skipped };
  await record(tx, {
    at: now,
    organizationId,
    action: 'orchestrator.restored',
    actor,
    target: id,
    detail: { backup_at: isoTime(backupAt), source, epoch_before: organization.command_epoch, ...detail },
  });
  return { organization: organization.name, ...detail };
}

/** The last moment that the data knows: what happened later is lost. */
async function lastMoment(tx: Tx): Promise<number> {
  const event = await tx
    .selectFrom('audit_events')
    .select((e) => e.fn.max('at').as('at'))
    .executeTakeFirst();
  return Number(event?.at ?? 0);
}

/**
 * Says in the store that it was put back to an earlier state, in one transaction: commands get a new epoch, so that
 * numbers which are given again are no replays; what waited is held, unspent tokens and sessions end.
 */
export async function beginEpoch(
  store: Pick<Store, 'transaction'>,
  options: {
    clock: Clock;
    /** When the backup was made (ms since the epoch); undefined: it is read from the data. */
    backupAt: number | undefined;
    source: 'backup' | 'in_place';
    admitKnown: boolean;
    /** Who runs this on the machine. */
    user: string;
  },
): Promise<NewEpoch> {
  const { clock, source } = options;
  const actor: AuditActor = { type: 'system', id: 'system', name: `${options.user} on the machine` };
  return store.transaction(async (tx) => {
    const now = clock.now();
    const id = newId('rst', clock);
    const backupAt = Math.min(options.backupAt ?? (await lastMoment(tx)), now);
    const context: Context = { tx, id, now, backupAt, source, actor };
    const organizations = await tx.selectFrom('organizations').selectAll().orderBy('id').execute();
    const begun: NewEpoch['organizations'] = [];
    for (const organization of organizations)
      begun.push(await beginIn(context, organization, options.admitKnown));
    // Agents refuse a set of roots that is older than theirs, and they may have seen others since the backup.
    await raiseTrustVersion(tx, (version) => epochAfter(version, now));
    const { numDeletedRows } = await tx.deleteFrom('web_sessions').executeTakeFirst();
    const sessions_ended = Number(numDeletedRows);
    await record(tx, {
      at: now,
      organizationId: null,
      action: 'orchestrator.restored',
      actor,
      target: id,
      detail: {
        backup_at: isoTime(backupAt),
        source,
        organizations: organizations.length,
        sessions_ended,
      },
    });
    return { restore_id: id, backup_at: isoTime(backupAt), organizations: begun, sessions_ended };
  });
}
