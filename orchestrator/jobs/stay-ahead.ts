import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Hello } from '../../protocol/messages.ts';
import { record } from '../audit/audit.ts';
import type { AgentSession } from '../hub/agent-session.ts';
import { latestRestore } from '../restores/restores.ts';
import type { GroupCommit } from '../store/group-commit.ts';

/** Nobody gives so many commands to one machine. */
const HIGHEST_SEQ = 2_000_000_000;

/**
 * An agent that took a command of a higher number than was ever given to it shows that this store was put back to an
 * earlier state. Numbers go on behind what it took, so that none is used twice. It is an alarm unless a declared restore
 * explains it, which it does once: who was connected since then has been caught up with.
 */
export async function stayAhead(
  options: { commits: GroupCommit; clock: Clock; log: Logger },
  { agent, heardMs }: Pick<AgentSession, 'agent' | 'heardMs'>,
  hello: Pick<Hello, 'command_seq'>,
): Promise<void> {
  const seq = hello.command_seq;
  if (seq > HIGHEST_SEQ) return;
  const undeclared = await options.commits.run(async (tx) => {
    const row = await tx
      .selectFrom('agents')
      .select('command_seq')
      .where('organization_id', '=', agent.organizationId)
      .where('id', '=', agent.agentId)
      .executeTakeFirst();
    if (row === undefined || row.command_seq >= seq) return false;
    await tx
      .updateTable('agents')
      .set({ command_seq: seq })
      .where('organization_id', '=', agent.organizationId)
      .where('id', '=', agent.agentId)
      .execute();
    const restore = await latestRestore(tx, agent.organizationId);
    if (restore !== undefined && heardMs <= Number(restore.at)) return false;
    await record(tx, {
      at: options.clock.now(),
      organizationId: agent.organizationId,
      action: 'orchestrator.rollback_suspected',
      actor: { type: 'agent', id: agent.agentId, name: agent.vmId },
      address: agent.address,
      target: agent.agentId,
      detail: { alarm: true, given: row.command_seq, taken: seq },
    });
    return true;
  });
  if (undeclared)
    options.log.error(
      { agent_id: agent.agentId, vm_id: agent.vmId, taken: seq },
      'an agent took commands that this store never gave: if the data was put back by hand, stop this and run `vm-orchestrator restore --in-place`',
    );
}
