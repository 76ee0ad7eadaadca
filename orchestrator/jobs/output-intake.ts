import type { Clock } from '../../base/clock.ts';
import { type CommandPayload, isFinal, type Stream } from '../../protocol/command.ts';
import type { CommandId } from '../../protocol/ids.ts';
import type { OutputFrame } from '../../protocol/output-frame.ts';
import { EVENT_OUTPUT_BYTES } from '../../protocol/rest-jobs.ts';
import type { AgentSession } from '../hub/agent-session.ts';
import type { Bus } from '../hub/bus.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Store } from '../store/store.ts';
import type { NewRow } from '../store/tables.ts';
import { place, type StreamPosition } from './output-position.ts';
import type { OutputStore } from './output-store.ts';
import { commandIdOf, selectCommands, stateOf, takeEventIds } from './record-change.ts';

/** The agent ends a command at its cap itself; what it had read by then may still come. */
const CAP_SLACK_BYTES = 1024 * 1024;
/** Commands whose positions are remembered; the store knows the others. */
const MAX_TRACKED = 10_000;

export type Sizes = Readonly<Record<Stream, number>>;

interface Tracked {
  organizationId: string;
  jobId: string;
  commandId: CommandId;
  /** It has its result: whatever comes now was kept before. */
  closed: boolean;
  cap: number;
  positions: Record<Stream, StreamPosition>;
  /** Offsets up to which the sender may forget. */
  durable: Record<Stream, number>;
  /** Bytes on their way to the files. */
  pending: Record<Stream, number>;
  /** Session epoch in which the sender was told to go back, and from where. */
  gapTold: string;
  /** Called in the turn in which the last missing byte is handed to the store. */
  waiting: { sizes: Sizes; run: () => void } | undefined;
}

interface Write {
  tracked: Tracked;
  stream: Stream;
  at: number;
  chunks: Uint8Array[];
  bytes: number;
  session: AgentSession;
  /** Hands to the store what was said about the command before these bytes. */
  before: () => void;
  settle: { resolve: () => void; reject: (cause: unknown) => void }[];
}

export interface OutputIntake {
  /**
   * Resolves when the piece is on disk or was dropped; `foreign` when the command is not this agent's. `before` is
   * called in the turn in which the piece is handed to the store, in front of it.
   */
  frame(session: AgentSession, frame: OutputFrame, before: () => void): Promise<'taken' | 'foreign'>;
  /** Calls `run` once all of `sizes` has been handed to the store, in the same group of commits. */
  afterOutput(
    session: AgentSession,
    commandId: CommandId,
    sizes: Sizes,
    run: () => void,
  ): Promise<'taken' | 'foreign'>;
  /** The command has its result. */
  forget(session: AgentSession, commandId: string): void;
  idle(): Promise<void>;
}

/** Of a piece of a transfer no envelope is kept. */
const PIECE_CAP_BYTES = 8 * 1024 * 1024;

/** Bytes that are taken of one command. */
function capOf(kept: string): number {
  if (kept === '') return PIECE_CAP_BYTES;
  const envelope = JSON.parse(kept) as { payload: string };
  const payload = JSON.parse(Buffer.from(envelope.payload, 'base64').toString('utf8')) as CommandPayload;
  return payload.limits.output_bytes + CAP_SLACK_BYTES;
}

export function createOutputIntake(options: {
  store: Store;
  commits: GroupCommit;
  files: OutputStore;
  bus: Bus;
  clock: Clock;
}): OutputIntake {
  const { store, commits, files, bus, clock } = options;
  const known = new Map<string, Tracked>();
  const loading = new Map<string, Promise<Tracked | undefined>>();
  let batch = new Map<string, Write>();
  let running: Promise<void> | undefined;

  async function load(session: AgentSession, commandId: string): Promise<Tracked | undefined> {
    const row = await selectCommands(store.db, session.agent.organizationId)
      .select('envelope')
      .where('id', '=', commandId)
      .where('agent_id', '=', session.agent.agentId)
      .executeTakeFirst();
    if (row === undefined || row.envelope === null || stateOf(row) === 'queued') return undefined;
    return {
      organizationId: row.organization_id,
      jobId: row.job_id,
      commandId: commandIdOf(row),
      closed: isFinal(stateOf(row)) && row.state !== 'unknown',
      cap: capOf(row.envelope),
      positions: {
        stdout: { received: row.stdout_size, kept: row.stdout_size },
        stderr: { received: row.stderr_size, kept: row.stderr_size },
      },
      durable: { stdout: row.stdout_size, stderr: row.stderr_size },
      pending: { stdout: 0, stderr: 0 },
      gapTold: '',
      waiting: undefined,
    };
  }

  // Keyed by the agent too: nobody meets what another agent's frames left here.
  const keyOf = (session: AgentSession, commandId: string) => `${session.agent.agentId}/${commandId}`;

  function remember(key: string, tracked: Tracked): void {
    known.set(key, tracked);
    if (known.size <= MAX_TRACKED) return;
    for (const [old, { waiting, pending }] of known) {
      if (waiting !== undefined || pending.stdout + pending.stderr > 0) continue;
      known.delete(old);
      return;
    }
  }

  async function track(session: AgentSession, commandId: string): Promise<Tracked | undefined> {
    const key = keyOf(session, commandId);
    const present = known.get(key);
    if (present !== undefined) return present;
    let found = loading.get(key);
    if (found === undefined) {
      found = load(session, commandId).finally(() => loading.delete(key));
      loading.set(key, found);
    }
    const tracked = await found;
    if (tracked !== undefined && !known.has(key)) remember(key, tracked);
    return known.get(key);
  }

  const roomOf = (tracked: Tracked): number =>
    tracked.cap - tracked.positions.stdout.kept - tracked.positions.stderr.kept;

  function acknowledge(session: AgentSession, tracked: Tracked, stream: Stream, offset: number): void {
    session.sendHint({
      type: 'output_ack',
      command_id: tracked.commandId,
      stream,
      durable_offset: offset,
    });
  }

  function isComplete(tracked: Tracked, sizes: Sizes): boolean {
    const { stdout, stderr } = tracked.positions;
    if (roomOf(tracked) <= 0) return true;
    return stdout.received >= sizes.stdout && stderr.received >= sizes.stderr;
  }

  const isWritten = (tracked: Tracked): boolean => tracked.pending.stdout + tracked.pending.stderr === 0;

  function enqueue(
    session: AgentSession,
    tracked: Tracked,
    frame: OutputFrame,
    before: () => void,
  ): Promise<void> {
    const position = tracked.positions[frame.stream];
    const placement = tracked.closed
      ? ({ kind: 'drop' } as const)
      : place(position, { offset: frame.offset, length: frame.data.length }, roomOf(tracked));
    if (placement.kind === 'gap') {
      const told = `${session.epoch}/${frame.stream}/${position.received}`;
      // Once: everything that is in flight behind the gap would ask for the same again.
      if (tracked.gapTold !== told)
        acknowledge(session, tracked, frame.stream, tracked.durable[frame.stream]);
      tracked.gapTold = told;
      return Promise.resolve();
    }
    const end = frame.offset + frame.data.length;
    if (placement.kind === 'drop') {
      // Past the cap, or of a command that has its end: taken, so that the sender may forget it.
      position.received = Math.max(position.received, end);
      if (tracked.pending[frame.stream] === 0) tracked.durable[frame.stream] = position.received;
      acknowledge(session, tracked, frame.stream, tracked.durable[frame.stream]);
      return Promise.resolve();
    }
    position.received = end;
    position.kept += placement.take;
    tracked.pending[frame.stream] += placement.take;
    const data = frame.data.subarray(placement.skip, placement.skip + placement.take);
    return new Promise((resolve, reject) => {
      const key = `${tracked.commandId}.${frame.stream}`;
      const write = batch.get(key) ?? {
        tracked,
        stream: frame.stream,
        at: placement.at,
        chunks: [],
        bytes: 0,
        session,
        before,
        settle: [],
      };
      batch.set(key, write);
      write.chunks.push(data);
      write.bytes += data.length;
      write.session = session;
      write.before = before;
      write.settle.push({ resolve, reject });
      running ??= loop();
    });
  }

  async function loop(): Promise<void> {
    // What one turn of the event loop reads is one batch; while it is written the next gathers.
    await new Promise((resolve) => setImmediate(resolve));
    while (batch.size > 0) {
      const writes = [...batch.values()];
      batch = new Map();
      await Promise.all(writes.map(writeOne));
    }
    running = undefined;
  }

  async function writeOne(write: Write): Promise<void> {
    const { tracked, stream } = write;
    try {
      await files.write(
        { organizationId: tracked.organizationId, commandId: tracked.commandId, stream },
        write.at,
        write.chunks,
      );
      write.before();
      const committed = commits.run((tx) => recordOutput(tx, write));
      tracked.pending[stream] -= write.bytes;
      const durable = tracked.positions[stream].received - tracked.pending[stream];
      // A result that waited for these bytes goes into the same commit.
      wakeWaiting(tracked);
      await committed;
      bus.publish({ topic: 'job', organization_id: tracked.organizationId, job_id: tracked.jobId });
      tracked.durable[stream] = durable;
      acknowledge(write.session, tracked, stream, durable);
      for (const { resolve } of write.settle) resolve();
    } catch (cause) {
      // What the store holds is the truth; the next frame reads it from there.
      known.delete(keyOf(write.session, tracked.commandId));
      for (const { reject } of write.settle) reject(cause);
    }
  }

  async function recordOutput(tx: Parameters<Parameters<GroupCommit['run']>[0]>[0], write: Write) {
    const { tracked, stream } = write;
    const at = clock.now();
    const count = Math.ceil(write.bytes / EVENT_OUTPUT_BYTES);
    const { first } = await takeEventIds(tx, tracked, count);
    const rows = Array.from(
      { length: count },
      (_, index): NewRow<'job_events'> => ({
        organization_id: tracked.organizationId,
        job_id: tracked.jobId,
        id: first + index,
        command_id: tracked.commandId,
        type: 'output',
        at,
        state: null,
        reason: null,
        stream,
        offset: write.at + index * EVENT_OUTPUT_BYTES,
        length: Math.min(EVENT_OUTPUT_BYTES, write.bytes - index * EVENT_OUTPUT_BYTES),
        detail: null,
      }),
    );
    await tx.insertInto('job_events').values(rows).execute();
    const size = write.at + write.bytes;
    const column = stream === 'stdout' ? 'stdout_size' : 'stderr_size';
    const { numUpdatedRows } = await tx
      .updateTable('commands')
      .set({ [column]: size })
      .where('organization_id', '=', tracked.organizationId)
      .where('id', '=', tracked.commandId)
      .where(column, '=', write.at)
      .executeTakeFirstOrThrow();
    // The batch before this one could not be committed: its bytes must not be skipped.
    if (numUpdatedRows !== 1n)
      throw new Error(`the store does not hold what comes before byte ${write.at} of ${stream}`);
  }

  function wakeWaiting(tracked: Tracked): void {
    const { waiting } = tracked;
    if (waiting === undefined || !isComplete(tracked, waiting.sizes) || !isWritten(tracked)) return;
    tracked.waiting = undefined;
    waiting.run();
  }

  return {
    async frame(session, frame, before) {
      const tracked = await track(session, frame.command_id);
      if (tracked === undefined) return 'foreign';
      await enqueue(session, tracked, frame, before);
      return 'taken';
    },
    async afterOutput(session, commandId, sizes, run) {
      const tracked = await track(session, commandId);
      if (tracked === undefined) return 'foreign';
      // A newer session says the same again; the older one is gone, and with it whoever waited for its answer.
      tracked.waiting = { sizes, run };
      wakeWaiting(tracked);
      return 'taken';
    },
    forget(session, commandId) {
      known.delete(keyOf(session, commandId));
      const { organizationId } = session.agent;
      for (const stream of ['stdout', 'stderr'] as const)
        files.release({ organizationId, commandId, stream });
    },
    idle: async () => {
      while (running !== undefined) await running;
      await commits.idle();
    },
  };
}
