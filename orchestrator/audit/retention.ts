import type { Clock } from '../../base/clock.ts';
import type { Store } from '../store/store.ts';
import { type AuditActor, record } from './audit.ts';
import { thinNotes } from './checkpoints.ts';
import { selectEvents } from './events.ts';
import { findLogKey } from './keys.ts';
import { headOf, type SealOptions, seal } from './seal.ts';

export interface Dropped {
  dropped: number;
  retained: number;
}

/**
 * Drops the sealed events of a log from before a time. Their hashes stay, so that every checkpoint can still be
 * proven; that they are gone on purpose is an event, and is signed into the next checkpoint, all in one transaction.
 * What a sink of copies has not got yet is not dropped.
 */
export function retention(options: SealOptions & { store: Store; clock: Clock; sinks: readonly string[] }) {
  const { store, clock, sinks } = options;
  return (request: {
    log: string;
    organizationId: string | null;
    before: number;
    actor: AuditActor;
    address: string | null;
  }): Promise<Dropped> =>
    store.transaction(async (tx) => {
      const { log } = request;
      const key = await findLogKey(tx, options.sealer, log);
      const head = key && (await headOf(tx, log, key));
      if (head === undefined) return { dropped: 0, retained: 0 };
      const kept = await selectEvents(tx, log)
        .where('seq', 'is not', null)
        .where('at', '>=', request.before)
        .orderBy('seq')
        .limit(1)
        .executeTakeFirst();
      let until = kept === undefined ? head.size : Number(kept.seq) - 1;
      for (const sink of sinks) {
        const cursor = await tx
          .selectFrom('audit_cursors')
          .select('seq')
          .where('organization_id', '=', log)
          .where('sink', '=', sink)
          .executeTakeFirst();
        until = Math.min(until, Number(cursor?.seq ?? 0));
      }
      const now = clock.now();
      await thinNotes(tx, log, now);
      if (until <= head.retained) return { dropped: 0, retained: head.retained };
      let old = tx.deleteFrom('audit_events').where('seq', '<=', until);
      old =
        request.organizationId === null
          ? old.where('organization_id', 'is', null)
          : old.where('organization_id', '=', request.organizationId);
      const { numDeletedRows } = await old.executeTakeFirst();
      await record(tx, {
        at: now,
        organizationId: request.organizationId,
        action: 'audit.retention',
        actor: request.actor,
        address: request.address,
        detail: { dropped_until: until, root: Buffer.from(head.root).toString('base64'), size: head.size },
      });
      // The checkpoint that says so may cover other events too; further batches keep what it says.
      await seal(tx, log, { ...options, now, retained: until });
      return { dropped: Number(numDeletedRows), retained: until };
    });
}
