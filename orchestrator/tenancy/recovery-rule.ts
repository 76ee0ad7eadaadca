import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import type { RecoveryRule } from '../../protocol/rest-fleet.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Store } from '../store/store.ts';

/** Whether machines whose certificate ended are let in by themselves; a setting of each organization. */
export interface RecoveryRules {
  get(organizationId: string): Promise<RecoveryRule>;
  set(request: {
    organizationId: string;
    rule: RecoveryRule;
    actor: AuditActor;
    address: string;
  }): Promise<RecoveryRule>;
}

export function createRecoveryRules(options: { store: Store; clock: Clock }): RecoveryRules {
  const { store, clock } = options;
  return {
    async get(organizationId) {
      const row = await store.db
        .selectFrom('organizations')
        .select('recovery_admit_s')
        .where('id', '=', organizationId)
        .where('deleted_at', 'is', null)
        .executeTakeFirst();
      if (row === undefined) throw new AppError('not_found');
      return { admit_within_s: row.recovery_admit_s === null ? null : Number(row.recovery_admit_s) };
    },
    async set({ organizationId, rule, actor, address }) {
      await store.transaction(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('organizations')
          .set({ recovery_admit_s: rule.admit_within_s })
          .where('id', '=', organizationId)
          .where('deleted_at', 'is', null)
          .executeTakeFirst();
        if (numUpdatedRows === 0n) throw new AppError('not_found');
        await record(tx, {
          at: clock.now(),
          organizationId,
          action: 'organization.recovery',
          actor,
          address,
          target: organizationId,
          detail: { ...rule },
        });
      });
      return rule;
    },
  };
}
