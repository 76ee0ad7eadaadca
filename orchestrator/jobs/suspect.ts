import type { Clock } from '../../base/clock.ts';
import { SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Suspect } from '../hub/suspicion.ts';
import { quarantine } from '../tenancy/quarantine.ts';
import { recordChange, selectCommands } from './record-change.ts';

/**
 * Quarantine of a machine that may be another one. A disk that was put back has forgotten what it ran: what had been
 * sent to it is over, and never goes out again.
 */
export function createSuspect(options: { clock: Clock }): Suspect {
  return async (tx, { organizationId, agentId, address }, { reason, detail, machineHash }) => {
    const now = options.clock.now();
    const isNew = await quarantine(tx, { organizationId, agentId, reason, detail, at: now, address });
    if (!isNew) return;
    if (machineHash !== undefined)
      await tx
        .updateTable('agents')
        .set({ seen_machine_hash: machineHash })
        .where('organization_id', '=', organizationId)
        .where('id', '=', agentId)
        .execute();
    if (reason !== 'rolled_back') return;
    const rows = await selectCommands(tx, organizationId)
      .where('agent_id', '=', agentId)
      .where('state', 'in', ['sent', 'accepted', 'running'])
      .execute();
    for (const row of rows) await recordChange(tx, row, { kind: 'lost' }, { now, actor: SYSTEM_ACTOR });
  };
}
