import { type Clock, isoTime } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { jobIdSchema, restoreIdSchema } from '../../protocol/ids.ts';
import type { Restore } from '../../protocol/rest-restores.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import { type RestoreRow, restoresOf } from '../restores/restores.ts';
import type { Queryable, Store } from '../store/store.ts';

const MAX_JOBS = 50;

async function heldNow(db: Queryable, organizationId: string): Promise<Restore['held']> {
  const rows = await db
    .selectFrom('commands as c')
    .innerJoin('jobs as j', (join) =>
      join.onRef('j.organization_id', '=', 'c.organization_id').onRef('j.id', '=', 'c.job_id'),
    )
    .select(['j.id', 'j.description', 'j.tool'])
    .select((e) => e.fn.countAll().as('commands'))
    .where('c.organization_id', '=', organizationId)
    .where('c.state', '=', 'held')
    .where('c.ended_at', 'is', null)
    .groupBy(['j.id', 'j.description', 'j.tool'])
    .orderBy('j.id')
    .execute();
  return {
    commands: rows.reduce((sum, { commands }) => sum + Number(commands), 0),
    jobs: rows.slice(0, MAX_JOBS).map(({ id, description, tool, commands }) => ({
      id: jobIdSchema.parse(id),
      description: description || tool,
      commands: Number(commands),
    })),
  };
}

async function shown(db: Queryable, row: RestoreRow): Promise<Restore> {
  const { organization_id: organizationId } = row;
  const { quarantined } = await db
    .selectFrom('agents')
    .select((e) => e.fn.countAll().as('quarantined'))
    .where('organization_id', '=', organizationId)
    .where('state', '=', 'quarantined')
    .where('quarantine_reason', '=', 'certificate_unknown')
    .executeTakeFirstOrThrow();
  const { lost } = await db
    .selectFrom('lost_results')
    .select((e) => e.fn.countAll().as('lost'))
    .where('organization_id', '=', organizationId)
    .where('restore_id', '=', row.id)
    .executeTakeFirstOrThrow();
  return {
    id: restoreIdSchema.parse(row.id),
    at: isoTime(Number(row.at)),
    backup_at: isoTime(Number(row.backup_at)),
    source: row.source,
    epoch: row.epoch,
    audit_size: row.audit_size,
    witnessed_size: row.witnessed_size,
    commands_held: row.commands_held,
    held: await heldNow(db, organizationId),
    rollouts_paused: row.rollouts_paused,
    tokens_revoked: row.tokens_revoked,
    agents_found: row.agents_found,
    agents_quarantined: Number(quarantined),
    lost_results: Number(lost),
    acknowledged_at: row.acknowledged_at === null ? null : isoTime(Number(row.acknowledged_at)),
    acknowledged_by: row.acknowledged_by,
  };
}

/** The newest restore that nobody has dealt with yet. */
export async function restoreToDealWith(db: Queryable, organizationId: string): Promise<Restore | null> {
  const [latest] = await restoresOf(db, organizationId);
  return latest === undefined || latest.acknowledged_at !== null ? null : shown(db, latest);
}

export interface Restores {
  /** The newest first. */
  list(organizationId: string): Promise<Restore[]>;
  /** Somebody has dealt with it. @throws AppError `not_found` */
  acknowledge(request: {
    organizationId: string;
    id: string;
    actor: AuditActor;
    address: string | null;
  }): Promise<Restore>;
}

export function createRestores({ store, clock }: { store: Store; clock: Clock }): Restores {
  const find = async (db: Queryable, organizationId: string, id: string): Promise<RestoreRow> => {
    const row = (await restoresOf(db, organizationId)).find((one) => one.id === id);
    if (row === undefined) throw new AppError('not_found', { detail: `There is no restore ${id} here.` });
    return row;
  };
  return {
    async list(organizationId) {
      const rows = await restoresOf(store.db, organizationId);
      return Promise.all(rows.map((row) => shown(store.db, row)));
    },
    async acknowledge({ organizationId, id, actor, address }) {
      await store.transaction(async (tx) => {
        const row = await find(tx, organizationId, id);
        if (row.acknowledged_at !== null) return;
        const at = clock.now();
        await tx
          .updateTable('restores')
          .set({ acknowledged_at: at, acknowledged_by: actor.name })
          .where('organization_id', '=', organizationId)
          .where('id', '=', id)
          .execute();
        const { witnessed_size, audit_size } = row;
        await record(tx, {
          at,
          organizationId,
          action: 'orchestrator.restore_acknowledged',
          actor,
          address,
          target: id,
          detail: { restored_size: audit_size, witnessed_size },
        });
      });
      return shown(store.db, await find(store.db, organizationId, id));
    },
  };
}
