import type { Clock } from '../../base/clock.ts';
import type { CommandId } from '../../protocol/ids.ts';
import type { OutputFrame } from '../../protocol/output-frame.ts';
import type { AgentSession, ResultMessage, StateMessage } from '../hub/agent-session.ts';
import type { Bus } from '../hub/bus.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Expiry } from './expiry.ts';
import type { OutputIntake } from './output-intake.ts';
import type { CommandEvent } from './progress.ts';
import { type CommandRow, recordChange, selectCommands, stateOf } from './record-change.ts';

/** What agents say about their commands, put into the store. */
export interface Ingest {
  state(session: AgentSession, message: StateMessage): Promise<void>;
  result(session: AgentSession, message: ResultMessage): Promise<void>;
  output(session: AgentSession, frame: OutputFrame): Promise<void>;
}

export function createIngest(options: {
  commits: GroupCommit;
  output: OutputIntake;
  expiry: Pick<Expiry, 'watch'>;
  bus: Bus;
  clock: Clock;
}): Ingest {
  const { commits, output, expiry, bus, clock } = options;

  /** The command was never given to this agent: dropped, and counted against the connection. */
  function foreign(session: AgentSession): void {
    session.strike('this command was not given to this agent');
  }

  async function apply(session: AgentSession, commandId: CommandId, event: CommandEvent): Promise<void> {
    const { agent } = session;
    const outcome = await commits.run(async (tx): Promise<{ row?: CommandRow; foreign: boolean }> => {
      const row = await selectCommands(tx, agent.organizationId)
        .where('id', '=', commandId)
        .where('agent_id', '=', agent.agentId)
        .executeTakeFirst();
      if (row === undefined || stateOf(row) === 'queued') return { foreign: true };
      const changed = await recordChange(tx, row, event, {
        now: clock.now(),
        actor: { type: 'agent', id: agent.agentId, name: agent.vmId },
        address: agent.address,
      });
      return { foreign: false, ...(changed === undefined ? {} : { row: changed }) };
    });
    if (outcome.foreign) return foreign(session);
    session.offered.delete(commandId);
    if (event.kind === 'result') {
      session.cancelled.delete(commandId);
      output.forget(session, commandId);
    }
    if (outcome.row === undefined) return;
    bus.publish({ topic: 'job', organization_id: agent.organizationId, job_id: outcome.row.job_id });
    if (outcome.row.ended_at === null) expiry.watch(outcome.row);
  }

  return {
    state: (session, message) =>
      apply(session, message.command_id, { kind: 'reported', state: message.state }),

    result(session, message) {
      const { result, command_id: commandId } = message;
      const sizes = { stdout: result.stdout?.size ?? 0, stderr: result.stderr?.size ?? 0 };
      const done = () => apply(session, commandId, { kind: 'result', result });
      if (sizes.stdout + sizes.stderr === 0) return done();
      // A final state means that the output is complete, so the result waits for its last byte.
      return new Promise((resolve, reject) => {
        output
          .afterOutput(session, commandId, sizes, () => done().then(resolve, reject))
          .then((verdict) => {
            if (verdict === 'taken') return;
            foreign(session);
            resolve();
          }, reject);
      });
    },

    async output(session, frame) {
      if ((await output.frame(session, frame)) === 'foreign') foreign(session);
    },
  };
}
