import type { Clock, Timer } from '../../base/clock.ts';
import { type CommandResult, isFinal } from '../../protocol/command.ts';
import type { CommandId } from '../../protocol/ids.ts';
import type { OutputFrame } from '../../protocol/output-frame.ts';
import type { AgentSession, ResultMessage, StateMessage } from '../hub/agent-session.ts';
import type { Bus } from '../hub/bus.ts';
import { latestRestore } from '../restores/restores.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Store, Tx } from '../store/store.ts';
import { type Attested, checkAttestation } from './attestation.ts';
import type { Expiry } from './expiry.ts';
import { createLostResults } from './lost-results.ts';
import type { OutputIntake } from './output-intake.ts';
import { type CommandEvent, mayHaveStarted } from './progress.ts';
import { type CommandRow, recordChanges, selectCommands, stateOf } from './record-change.ts';

/** What agents say about their commands, put into the store. */
export interface Ingest {
  state(session: AgentSession, message: StateMessage): Promise<void>;
  result(session: AgentSession, message: ResultMessage): Promise<void>;
  output(session: AgentSession, frame: OutputFrame): Promise<void>;
  /** Hands on what still waits for company. */
  flush(): void;
}

/**
 * How long `accepted` and `running` wait for what follows them. A command that is over by then costs one commit
 * instead of two, and its result does not queue behind the disk sync of its start.
 */
const GATHER_MS = 20;

export function createIngest(options: {
  store: Pick<Store, 'db'>;
  commits: GroupCommit;
  output: OutputIntake;
  expiry: Pick<Expiry, 'watch'>;
  bus: Bus;
  clock: Clock;
}): Ingest {
  const { store, commits, output, expiry, bus, clock } = options;
  const lost = createLostResults({ store, commits, clock });

  /**
   * The command was never given to this agent: dropped, and counted against the connection. Unless this orchestrator
   * was put back to a backup, and gave it after that was made.
   */
  async function foreign(session: AgentSession, commandId: CommandId, result?: CommandResult): Promise<void> {
    const isLost =
      result === undefined
        ? await lost.isLost(session.agent, commandId)
        : await lost.keep(session.agent, commandId, result);
    if (!isLost) session.strike('this command was not given to this agent');
  }

  interface Outcome {
    foreign: boolean;
    row?: CommandRow;
  }
  const keyOf = (session: AgentSession, commandId: CommandId) => `${session.agent.agentId}/${commandId}`;
  interface Gathering {
    events: CommandEvent[];
    outcome: Promise<Outcome>;
    submit(): void;
  }
  /** What came for a command and is not in a transaction yet: it goes into one together. */
  const gathering = new Map<string, Gathering>();

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
    const state = row && stateOf(row);
    // A held one may have been sent by the orchestrator that was lost.
    if (
      row === undefined ||
      state === undefined ||
      !(isFinal(state) || mayHaveStarted(state) || state === 'held')
    )
      return { foreign: true };
    const result = events.find((event) => event.kind === 'result')?.result;
    const attested = result === undefined ? 'none' : await attestedBy(tx, session, commandId, result);
    const changed = await recordChanges(tx, row, await believable(tx, row, events), {
      now: clock.now(),
      attested,
      actor: { type: 'agent', id: agent.agentId, name: agent.vmId },
      address: agent.address,
    });
    return { foreign: false, ...(changed === undefined ? {} : { row: changed }) };
  }

  /**
   * An agent that forgot a command long ago turns it away as a replay: of one that a restored store sends again it
   * is not known any more how it ended.
   */
  async function believable(
    tx: Tx,
    row: CommandRow,
    events: readonly CommandEvent[],
  ): Promise<readonly CommandEvent[]> {
    const isReplay = (event: CommandEvent) =>
      event.kind === 'result' && event.result.error?.code === 'command_replayed';
    if (!events.some(isReplay)) return events;
    const restore = await latestRestore(tx, row.organization_id);
    return restore !== undefined && row.sent_at !== null && Number(row.sent_at) < Number(restore.at)
      ? events.map((event) => (isReplay(event) ? { kind: 'lost' } : event))
      : events;
  }

  /** Whether the agent's executor vouches for a result; one that it should and does not is told in the audit log. */
  async function attestedBy(
    tx: Tx,
    { agent }: AgentSession,
    commandId: CommandId,
    result: CommandResult,
  ): Promise<Attested> {
    const known = await tx
      .selectFrom('agents')
      .select('executor_public_key')
      .where('organization_id', '=', agent.organizationId)
      .where('id', '=', agent.agentId)
      .executeTakeFirst();
    const executorKey = known?.executor_public_key ?? null;
    return checkAttestation(result, { commandId, agentId: agent.agentId, executorKey });
  }

  function gather(session: AgentSession, commandId: CommandId, event: CommandEvent): Promise<Outcome> {
    const key = keyOf(session, commandId);
    let present = gathering.get(key);
    if (present === undefined) {
      present = begin(session, commandId, key);
      gathering.set(key, present);
    }
    present.events.push(event);
    if (event.kind === 'result') present.submit();
    return present.outcome;
  }

  function begin(session: AgentSession, commandId: CommandId, key: string): Gathering {
    const events: CommandEvent[] = [];
    const { promise: outcome, resolve, reject } = Promise.withResolvers<Outcome>();
    let timer: Timer | undefined;
    let submitted = false;
    const submit = () => {
      if (submitted) return;
      submitted = true;
      timer?.cancel();
      commits
        .run((tx) => {
          // From here on what comes belongs to the next transaction.
          if (gathering.get(key)?.events === events) gathering.delete(key);
          return writeTogether(tx, session, commandId, events);
        })
        .then(resolve, (cause: unknown) => {
          // The transaction may have failed before it came to this piece.
          if (gathering.get(key)?.events === events) gathering.delete(key);
          reject(cause);
        });
    };
    timer = clock.setTimer(GATHER_MS, submit, { background: true });
    return { events, outcome, submit };
  }

  /** What came for a command before its output goes into the store before it. */
  function release(key: string): void {
    gathering.get(key)?.submit();
  }

  async function apply(session: AgentSession, commandId: CommandId, event: CommandEvent): Promise<void> {
    const { agent } = session;
    const outcome = await gather(session, commandId, event);
    if (outcome.foreign)
      return foreign(session, commandId, event.kind === 'result' ? event.result : undefined);
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
            const key = keyOf(session, commandId);
            release(key);
            gathering.delete(key);
            done().then(resolve, reject);
          })
          .then((verdict) => {
            if (verdict === 'taken') return;
            return foreign(session, commandId, result).then(resolve);
          })
          .catch(reject);
      });
    },

    async output(session, frame) {
      const before = () => release(keyOf(session, frame.command_id));
      if ((await output.frame(session, frame, before)) === 'taken') return;
      await foreign(session, frame.command_id);
      // Of what was lost with the orchestrator the ends are kept: the agent need not keep the rest.
      if (await lost.isLost(session.agent, frame.command_id))
        session.sendHint({
          type: 'output_ack',
          command_id: frame.command_id,
          stream: frame.stream,
          durable_offset: frame.offset + frame.data.length,
        });
    },

    flush() {
      for (const { submit } of gathering.values()) submit();
    },
  };
}
