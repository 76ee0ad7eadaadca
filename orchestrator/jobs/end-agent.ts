import type { Clock } from '../../base/clock.ts';
import { SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Tx } from '../store/store.ts';
import { recordChange, selectCommands } from './record-change.ts';

/**
 * Ends the open commands of an agent that will not come back: what never left is cancelled, of the rest nobody will
 * learn the outcome. In the transaction that revokes it.
 */
export function createEndCommands(options: {
  clock: Clock;
}): (tx: Tx, organizationId: string, agentId: string) => Promise<void> {
  return async (tx, organizationId, agentId) => {
    const rows = await selectCommands(tx, organizationId)
      .where('agent_id', '=', agentId)
      .where('ended_at', 'is', null)
      .execute();
    const context = { now: options.clock.now(), actor: SYSTEM_ACTOR };
    for (const row of rows) {
      const cancelled = await recordChange(tx, row, { kind: 'cancel' }, context);
      if (cancelled === undefined) await recordChange(tx, row, { kind: 'lost' }, context);
    }
  };
}
