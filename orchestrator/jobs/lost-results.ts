import type { Clock } from '../../base/clock.ts';
import type { CommandResult } from '../../protocol/command.ts';
import type { CommandId } from '../../protocol/ids.ts';
import { record } from '../audit/audit.ts';
import { restoreOfCommand } from '../restores/restores.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Store } from '../store/store.ts';

/** What one agent may leave here; a command a second makes so many in a day. */
const MOST_PER_AGENT = 100_000;

interface Sender {
  organizationId: string;
  agentId: string;
  vmId: string;
  address: string | null;
}

/**
 * What agents say of commands that were given after the backup which this store was put back to: their results are
 * kept and told in the audit log, and nobody is taken for a rogue who tells the truth about them.
 */
export interface LostResults {
  /** Whether a command that is not known here was given by the orchestrator that was lost. */
  isLost(sender: Sender, commandId: CommandId): Promise<boolean>;
  /** Resolves when it is on disk; the second time nothing happens. False: it is none of those. */
  keep(sender: Sender, commandId: CommandId, result: CommandResult): Promise<boolean>;
}

export function createLostResults(options: {
  store: Pick<Store, 'db'>;
  commits: GroupCommit;
  clock: Clock;
}): LostResults {
  const { store, commits, clock } = options;
  return {
    isLost: async ({ organizationId }, commandId) =>
      (await restoreOfCommand(store.db, organizationId, commandId)) !== undefined,

    keep: (sender, commandId, result) =>
      commits.run(async (tx) => {
        const { organizationId, agentId, vmId, address } = sender;
        const restore = await restoreOfCommand(tx, organizationId, commandId);
        if (restore === undefined) return false;
        const { count } = await tx
          .selectFrom('lost_results')
          .select((e) => e.fn.countAll().as('count'))
          .where('organization_id', '=', organizationId)
          .where('agent_id', '=', agentId)
          .executeTakeFirstOrThrow();
        if (Number(count) >= MOST_PER_AGENT) return true;
        const at = clock.now();
        const { numInsertedOrUpdatedRows } = await tx
          .insertInto('lost_results')
          .values({
            organization_id: organizationId,
            command_id: commandId,
            agent_id: agentId,
            restore_id: restore.id,
            at,
            result: JSON.stringify(result),
          })
          .onConflict((oc) => oc.doNothing())
          .executeTakeFirst();
        // It came before, and its acknowledgement was lost.
        if ((numInsertedOrUpdatedRows ?? 0n) === 0n) return true;
        const { state, reason, exit_code, started_at, ended_at, stdout, stderr } = result;
        await record(tx, {
          at,
          organizationId,
          action: 'command.result_lost',
          actor: { type: 'agent', id: agentId, name: vmId },
          address,
          target: commandId,
          detail: {
            restore_id: restore.id,
            state,
            ...(reason === undefined ? {} : { reason }),
            ...(exit_code === undefined ? {} : { exit_code }),
            ...(started_at === undefined ? {} : { started_at }),
            ended_at,
            stdout_bytes: stdout?.size ?? 0,
            stderr_bytes: stderr?.size ?? 0,
          },
        });
        return true;
      }),
  };
}
