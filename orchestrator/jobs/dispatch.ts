import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Envelope } from '../../protocol/dsse.ts';
import type { CommandId } from '../../protocol/ids.ts';
import type { Hello } from '../../protocol/messages.ts';
import { SYSTEM_ACTOR } from '../audit/audit.ts';
import type { AgentSession } from '../hub/agent-session.ts';
import type { Bus } from '../hub/bus.ts';
import { latestRestore } from '../restores/restores.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Tx } from '../store/store.ts';
import { commandIdOf, recordChange, selectCommands } from './record-change.ts';

/** Commands on their way to one agent that it has not on disk yet; the rest waits in the store. */
const WINDOW = 64;
/** After the store failed. */
const RETRY_MS = 1000;

export interface Offer {
  id: CommandId;
  envelope: Envelope;
  delegation: Envelope;
}

export interface Dispatch {
  /**
   * Inside a transaction: whether a new command of this agent may be stored as `sent` at once. False: it is
   * stored as `queued`, and the caller wakes the agent after the commit.
   */
  takesNow(agentId: string): boolean;
  /** After the commit that stored it as `sent`. */
  offer(agentId: string, command: Offer): void;
  /** Something is queued for this agent, or room was made. */
  wake(agentId: string): void;
  /** A cancel was requested for a command that may be on the agent. */
  cancel(agentId: string, commandId: CommandId): void;
  opened(session: AgentSession, hello: Hello, resumed: boolean): Promise<void>;
  freed(session: AgentSession): void;
}

/** What is locked, as far as sending goes. */
export interface DispatchLocks {
  /** Whether anything stands in an organization's way, as of the last look; the rest is asked only then. */
  any(organizationId: string): boolean;
  /** Looks again, in the caller's transaction: whether this agent gets nothing, and which commands nobody may send. */
  look(
    tx: Tx,
    agent: { organizationId: string; agentId: string },
  ): Promise<{ agent: boolean; command: (job: { tool: string; createdBy: string }) => boolean }>;
}

interface Queue {
  /** Commands of this agent may be queued in the store; new ones must not overtake them. */
  backlog: boolean;
  /** Counts what was queued, so that a drain notices what came while it read. */
  queued: number;
  draining: boolean;
}

export function createDispatch(options: {
  commits: GroupCommit;
  /** The agent's session, if this process holds one. */
  sessionOf: (agentId: string) => AgentSession | undefined;
  bus: Bus;
  clock: Clock;
  log: Logger;
  /** Asked before anything is sent. */
  locks?: DispatchLocks | undefined;
}): Dispatch {
  const { commits, sessionOf, bus, clock, log, locks } = options;
  const queues = new WeakMap<AgentSession, Queue>();

  function queueOf(session: AgentSession): Queue {
    const queue = queues.get(session) ?? { backlog: true, queued: 0, draining: false };
    queues.set(session, queue);
    return queue;
  }
  const hasRoom = (session: AgentSession) => session.isOnline && session.unacked.length < WINDOW;

  function offer(session: AgentSession, command: Offer): void {
    if (session.offered.has(command.id)) return;
    session.offered.add(command.id);
    session.send({ type: 'command', envelope: command.envelope, delegation: command.delegation });
  }
  function cancel(session: AgentSession, commandId: CommandId): void {
    if (session.cancelled.has(commandId)) return;
    session.cancelled.add(commandId);
    session.send({ type: 'cancel', command_id: commandId });
  }

  // What is queued or beyond has been signed.
  const toOffer = (row: { id: string; envelope: string | null; delegation: string | null }): Offer => ({
    id: commandIdOf(row),
    envelope: JSON.parse(row.envelope ?? 'null') as Envelope,
    delegation: JSON.parse(row.delegation ?? 'null') as Envelope,
  });
  const ofAgent = (tx: Tx, session: AgentSession) =>
    selectCommands(tx, session.agent.organizationId)
      .select(['envelope', 'delegation'])
      .where('agent_id', '=', session.agent.agentId)
      .where('ended_at', 'is', null)
      .orderBy('seq');
  const context = () => ({ now: clock.now(), actor: SYSTEM_ACTOR });

  async function lookFor(tx: Tx, session: AgentSession) {
    if (locks === undefined) return { agent: false, any: false, command: () => false };
    const found = await locks.look(tx, session.agent);
    return { ...found, any: locks.any(session.agent.organizationId) };
  }

  /** Commands whose tool or whose asker was locked meanwhile: their numbers are behind them, so they end here. */
  async function skipLocked(
    tx: Tx,
    session: AgentSession,
    isLocked: (job: { tool: string; createdBy: string }) => boolean,
  ): Promise<void> {
    const rows = await ofAgent(tx, session).where('state', '=', 'queued').execute();
    for (const row of rows) {
      const job = await tx
        .selectFrom('jobs')
        .select(['tool', 'created_by'])
        .where('organization_id', '=', row.organization_id)
        .where('id', '=', row.job_id)
        .executeTakeFirstOrThrow();
      if (isLocked({ tool: job.tool, createdBy: (JSON.parse(job.created_by) as { id: string }).id }))
        await recordChange(tx, row, { kind: 'withheld', state: 'skipped', reason: 'locked' }, context());
    }
  }

  /** `sent` is on disk before the bytes leave; the group's order keeps the commands' order. */
  async function drainOnce(session: AgentSession, queue: Queue): Promise<void> {
    const limit = WINDOW - session.unacked.length;
    await commits.run(
      async (tx) => {
        const seen = queue.queued;
        const now = clock.now();
        const locked = await lookFor(tx, session);
        if (locked.agent) return { rows: [], seen, more: false };
        if (locked.any) await skipLocked(tx, session, locked.command);
        const rows = await ofAgent(tx, session)
          .where('state', '=', 'queued')
          .where('expires_at', '>', now)
          .limit(limit)
          .execute();
        for (const row of rows) await recordChange(tx, row, { kind: 'sent' }, context());
        return { rows, seen, more: rows.length === limit };
      },
      ({ rows, seen, more }) => {
        if (!more && queue.queued === seen) queue.backlog = false;
        for (const row of rows) {
          offer(session, toOffer(row));
          bus.publish({ topic: 'job', organization_id: row.organization_id, job_id: row.job_id });
        }
      },
    );
  }

  async function offerSent(session: AgentSession): Promise<void> {
    const rows = await commits.run(async (tx) =>
      (await lookFor(tx, session)).agent ? [] : ofAgent(tx, session).where('state', '=', 'sent').execute(),
    );
    for (const row of rows) offer(session, toOffer(row));
  }

  async function drain(session: AgentSession): Promise<void> {
    const queue = queueOf(session);
    if (queue.draining) return;
    queue.draining = true;
    try {
      while (queue.backlog && hasRoom(session)) await drainOnce(session, queue);
    } finally {
      queue.draining = false;
    }
  }
  function wake(session: AgentSession): void {
    drain(session).catch((cause: unknown) => {
      log.error({ err: cause, agent_id: session.agent.agentId }, 'queued commands could not be sent');
      clock.setTimer(RETRY_MS, () => session.isOnline && wake(session), { background: true });
    });
  }

  /** A new session: what the store and the agent's journal say about the same commands is brought together. */
  async function reconcile(session: AgentSession, hello: Hello, resumed: boolean): Promise<void> {
    const inFlight = new Set<string>(hello.in_flight.map(({ id }) => id));
    await commits.run(
      async (tx) => {
        const rows = await ofAgent(tx, session)
          .where((e) =>
            e.or([
              e('state', '=', 'sent'),
              e('cancel_requested', '=', 1),
              ...(resumed ? [] : [e('state', 'in', ['accepted', 'running'])]),
            ]),
          )
          .execute();
        // A locked agent gets nothing; when the lock ends, what is sent is offered again.
        const { agent: locked } = await lookFor(tx, session);
        const restore = resumed ? undefined : await latestRestore(tx, session.agent.organizationId);
        // What the orchestrator that was lost had heard of is not said again by itself: its journal answers when asked.
        const isAsked = (row: (typeof rows)[number]) =>
          row.state === 'sent' || (restore !== undefined && Number(row.created_at) < Number(restore.at));
        // What is not kept cannot be sent again: a piece of a transfer, which its sender repeats.
        const lost = resumed
          ? []
          : rows.filter((row) => (!isAsked(row) || row.envelope === '') && !inFlight.has(row.id));
        for (const row of lost) await recordChange(tx, row, { kind: 'lost' }, context());
        return { rows, lost: new Set(lost), locked, isAsked };
      },
      ({ rows, lost, locked, isAsked }) => {
        for (const row of rows) {
          if (lost.has(row)) {
            bus.publish({ topic: 'job', organization_id: row.organization_id, job_id: row.job_id });
            continue;
          }
          const kept = isAsked(row) && row.envelope !== '';
          if (!locked && kept && (resumed || !inFlight.has(row.id))) offer(session, toOffer(row));
          if (row.cancel_requested === 1) cancel(session, commandIdOf(row));
        }
      },
    );
  }

  bus.subscribe((hint) => {
    if (hint.topic !== 'agent') return;
    const session = sessionOf(hint.agent_id);
    if (session === undefined) return;
    const queue = queueOf(session);
    queue.queued += 1;
    queue.backlog = true;
    wake(session);
    // It may have been locked when it connected.
    if (hint.unlocked)
      offerSent(session).catch((cause: unknown) => log.error({ err: cause }, 'not offered again'));
  });

  return {
    takesNow(agentId) {
      const session = sessionOf(agentId);
      if (session === undefined) return false;
      const queue = queueOf(session);
      // Whether it is this agent that is locked is looked up when its queue is.
      const free = locks?.any(session.agent.organizationId) !== true;
      if (!queue.backlog && free && hasRoom(session)) return true;
      queue.queued += 1;
      queue.backlog = true;
      return false;
    },
    offer(agentId, command) {
      const session = sessionOf(agentId);
      // Without a session the command stands as sent in the store, and the next session brings it.
      if (session !== undefined) offer(session, command);
    },
    wake(agentId) {
      const session = sessionOf(agentId);
      if (session !== undefined) wake(session);
    },
    cancel(agentId, commandId) {
      const session = sessionOf(agentId);
      // An agent that is offline gets it with its next connection.
      if (session?.isOnline) cancel(session, commandId);
    },
    async opened(session, hello, resumed) {
      const queue = queueOf(session);
      queue.queued += 1;
      queue.backlog = true;
      await reconcile(session, hello, resumed);
      wake(session);
    },
    freed(session) {
      if (queueOf(session).backlog) wake(session);
    },
  };
}
