import type { Clock } from '../../base/clock.ts';
import type { CommandId } from '../../protocol/ids.ts';
import type { OutputFrame } from '../../protocol/output-frame.ts';
import type { AgentSession, ResultMessage, StateMessage } from '../hub/agent-session.ts';
import type { Bus } from '../hub/bus.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Tx } from '../store/store.ts';
import type { Expiry } from './expiry.ts';
import type { OutputIntake } from './output-intake.ts';
import type { CommandEvent } from './progress.ts';
import { type CommandRow, recordChanges, selectCommands, stateOf } from './record-change.ts';

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

  interface Outcome {
    foreign: boolean;
    row?: CommandRow;
  }
  const keyOf = (session: AgentSession, commandId: CommandId) => `${session.agent.agentId}/${commandId}`;
  /** What came for a command and is not in a transaction yet: it goes into one together. */
  const gathering = new Map<string, { events: CommandEvent[]; outcome: Promise<Outcome> }>();

  async function writeTogether(
    tx: Tx,
    session: AgentSession,
    commandId: CommandId,
    events: readonly CommandEvent[],
  ): Promise<Outcome> {
    const { agent } = session;
    const row = await selectCommands(tx, agent.organizationId)
      .where('id', '=', commandId)
      .where('agent_id', '=', agent.agentId)
      .executeTakeFirst();
    if (row === undefined || stateOf(row) === 'queued') return { foreign: true };
    const changed = await recordChanges(tx, row, events, {
      now: clock.now(),
      actor: { type: 'agent', id: agent.agentId, name: agent.vmId },
      address: agent.address,
    });
    return { foreign: false, ...(changed === undefined ? {} : { row: changed }) };
  }

  function gather(session: AgentSession, commandId: CommandId, event: CommandEvent): Promise<Outcome> {
    const key = keyOf(session, commandId);
    const present = gathering.get(key);
    if (present !== undefined) {
      present.events.push(event);
      return present.outcome;
    }
    const events = [event];
    const outcome = commits.run((tx) => {
      // From here on what comes belongs to the next transaction.
      if (gathering.get(key)?.events === events) gathering.delete(key);
      return writeTogether(tx, session, commandId, events);
    });
    gathering.set(key, { events, outcome });
    return outcome;
  }

  async function apply(session: AgentSession, commandId: CommandId, event: CommandEvent): Promise<void> {
    const { agent } = session;
    const outcome = await gather(session, commandId, event);
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
          .afterOutput(session, commandId, sizes, () => {
            // Behind its output, which was handed to the store just now, and not with what waits before it.
            gathering.delete(keyOf(session, commandId));
            done().then(resolve, reject);
          })
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
