import { type CommandState, DEADLINE_GRACE_S, isFinal } from '../../../protocol/command.ts';

/** What one client knows of one request for a job. */
export interface Submission {
  /** Drawn by the client; the command prints it and appends it to the file of executions. */
  tag: string;
  vmIds: readonly string[];
  /** Commands of one lane start in their order; its own job alone when undefined. */
  lane: string | undefined;
  /** Of the first answer that accepted it (ms since the epoch); undefined: no answer ever came. */
  acknowledgedAt: number | undefined;
  /** From every answer to it and to its repeats. */
  jobIds: readonly string[];
  commandIds: readonly string[];
}

/** A line that a command wrote, in the order in which lines were written. */
export interface Execution {
  tag: string;
  commandId: string;
  /** Of the agent whose child it was; undefined when that had just been killed. */
  vmId: string | undefined;
}

/** What the orchestrator says of a command in the end. */
export interface Reported {
  commandId: string;
  jobId: string;
  tag: string;
  vmId: string;
  seq: number;
  state: CommandState;
  reason?: string | null;
  /** When the orchestrator learned that it runs: its deadline follows from this. */
  startedAt: number | undefined;
  /** When it began, as its agent says. */
  beganAt: number | undefined;
  endedAt: number | undefined;
  expiresAt: number;
  timeoutS: number;
  /** How long it ran, by its agent's clock (ms). */
  lastedMs?: number | undefined;
  /** Every final state that readers were shown, in order. */
  ends: readonly CommandState[];
  stdout: string;
}

export interface Interval {
  from: number;
  to: number;
}

export interface History {
  submissions: readonly Submission[];
  executions: readonly Execution[];
  reported: readonly Reported[];
  /** When the orchestrator did not run. */
  down: readonly Interval[];
  /** When an agent was not connected, or its link was broken. */
  disturbed: Readonly<Record<string, readonly Interval[]>>;
  /** When the machine of the test could not keep up: nothing is said about promptness then. */
  busy?: readonly Interval[];
  /** When an agent was killed. */
  kills: Readonly<Record<string, readonly number[]>>;
}

export interface Violation {
  rule:
    | 'lost'
    | 'twice'
    | 'not final'
    | 'wrong state'
    | 'wrong machine'
    | 'phantom'
    | 'order'
    | 'late'
    | 'shown twice'
    | 'output'
    | 'unexplained';
  what: string;
}

/** Looking at the clock, writing the end down, and a start that was told late. */
const SLACK_MS = 2000;
/** A connected agent's command has ended this long after its timeout. */
const AFTER_TIMEOUT_MS = 5000;

export const lineOf = (tag: string, commandId: string): string => `${tag} ${commandId}\n`;

const touches = ({ from, to }: Interval, intervals: readonly Interval[]): boolean =>
  intervals.some((other) => other.from <= to && other.to >= from);

function countBy<T>(items: readonly T[], key: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}

/** What was accepted is there, once, whatever was repeated. */
function* lost({ submissions, reported }: History): Generator<Violation> {
  const byTag = Map.groupBy(reported, ({ tag }) => tag);
  const known = new Set(reported.map(({ commandId }) => commandId));
  for (const { tag, vmIds, acknowledgedAt, jobIds, commandIds } of submissions) {
    const found = byTag.get(tag) ?? [];
    const jobs = new Set([...found.map(({ jobId }) => jobId), ...jobIds]);
    if (jobs.size > 1) yield { rule: 'twice', what: `${tag} became ${jobs.size} jobs` };
    if (acknowledgedAt === undefined) continue;
    for (const vmId of vmIds)
      if (!found.some((command) => command.vmId === vmId))
        yield { rule: 'lost', what: `${tag} was accepted for ${vmId} and is not there` };
    for (const id of commandIds)
      if (!known.has(id)) yield { rule: 'lost', what: `${id} of ${tag} was accepted and is not there` };
  }
}

const MUST_HAVE_RUN: ReadonlySet<CommandState> = new Set(['succeeded', 'failed', 'timed_out']);
const MUST_NOT_HAVE_RUN: ReadonlySet<CommandState> = new Set(['expired', 'refused', 'skipped']);

function* executions(history: History): Generator<Violation> {
  const runs = countBy(history.executions, ({ commandId }) => commandId);
  const commands = new Map(history.reported.map((command) => [command.commandId, command]));
  for (const { commandId, tag, vmId } of history.executions) {
    const command = commands.get(commandId);
    if (command === undefined || command.tag !== tag)
      yield { rule: 'phantom', what: `${commandId} ran as ${tag}, which nobody asked for` };
    else if (vmId !== undefined && vmId !== command.vmId)
      yield { rule: 'wrong machine', what: `${commandId} of ${command.vmId} ran on ${vmId}` };
  }
  for (const { commandId, state, startedAt } of history.reported) {
    const ran = runs.get(commandId) ?? 0;
    if (ran > 1) yield { rule: 'twice', what: `${commandId} (${state}) ran ${ran} times` };
    if (MUST_HAVE_RUN.has(state) && ran === 0)
      yield { rule: 'wrong state', what: `${commandId} is ${state} and did not run` };
    const never = MUST_NOT_HAVE_RUN.has(state) || (state === 'cancelled' && startedAt === undefined);
    if (never && ran > 0) yield { rule: 'wrong state', what: `${commandId} is ${state} and ran` };
  }
}

/** What runs in a lane of a machine began in the order of the numbers that the orchestrator gave. */
function* order({ submissions, executions: ran, reported }: History): Generator<Violation> {
  const laneOf = new Map(submissions.map(({ tag, lane }) => [tag, lane]));
  const commands = new Map(reported.map((command) => [command.commandId, command]));
  const last = new Map<string, { seq: number; commandId: string }>();
  for (const { commandId } of ran) {
    const command = commands.get(commandId);
    const lane = command && laneOf.get(command.tag);
    if (command === undefined || lane === undefined) continue;
    const key = `${command.vmId}/${lane}`;
    const before = last.get(key);
    if (before !== undefined && before.seq > command.seq)
      yield { rule: 'order', what: `${commandId} ran after ${before.commandId}, which came later (${key})` };
    last.set(key, { seq: command.seq, commandId });
  }
}

/** Each has its end, in time, and readers saw it once. */
function* ends({ reported, down, disturbed, kills, busy = [] }: History): Generator<Violation> {
  for (const command of reported) {
    const { commandId, vmId, state, startedAt, beganAt = startedAt, endedAt, expiresAt, timeoutS } = command;
    if (!isFinal(state) || endedAt === undefined) {
      yield { rule: 'not final', what: `${commandId} is ${state}` };
      continue;
    }
    const [first, second, ...more] = command.ends;
    const once = second === undefined ? first === state : first === 'unknown' && second === state;
    if (!once || more.length > 0)
      yield { rule: 'shown twice', what: `${commandId} is ${state}; shown: ${command.ends.join(', ')}` };
    // An end that replaced `unknown` came after one that was in time.
    if (second !== undefined) continue;
    const deadline = startedAt === undefined ? expiresAt : startedAt + (timeoutS + DEADLINE_GRACE_S) * 1000;
    // Nobody was there to end it: it ends with the start.
    const back = down.reduce((at, { from, to }) => (from <= at + SLACK_MS ? Math.max(at, to) : at), deadline);
    if (endedAt > back + SLACK_MS && !touches({ from: deadline, to: endedAt }, busy))
      yield {
        rule: 'late',
        what: `${commandId} (${state}) ended ${endedAt - deadline} ms after its deadline`,
      };
    if (startedAt === undefined) continue;
    const until = startedAt + timeoutS * 1000 + AFTER_TIMEOUT_MS;
    const calm = !touches({ from: startedAt, to: until }, [...down, ...(disturbed[vmId] ?? [])]);
    if (calm && endedAt > until)
      yield {
        rule: 'late',
        what: `${commandId} (${state}) ended ${endedAt - until} ms after timeout + 5 s, and lasted ${command.lastedMs} ms on its machine`,
      };
    const killed = (kills[vmId] ?? []).some((at) => at >= (beganAt ?? startedAt) - SLACK_MS && at <= endedAt);
    if (state === 'unknown' && !killed)
      yield {
        rule: 'unexplained',
        what: `${commandId} is unknown, and its agent was not killed while it ran`,
      };
  }
}

/** Nobody can say how these ended, though no agent was killed: the deadline came while they were on their way. */
const neverArrived = ({ state, startedAt, endedAt, expiresAt }: Reported): boolean =>
  state === 'unknown' && startedAt === undefined && endedAt !== undefined && endedAt >= expiresAt;

function* unknowns({ reported, executions: ran, kills, disturbed }: History): Generator<Violation> {
  const runs = countBy(ran, ({ commandId }) => commandId);
  for (const command of reported) {
    const { commandId, vmId, state, reason, startedAt, endedAt = 0, expiresAt } = command;
    if (state !== 'unknown' || startedAt !== undefined) continue;
    const killed = (kills[vmId] ?? []).some((at) => at <= endedAt);
    const away = touches({ from: expiresAt - SLACK_MS, to: expiresAt + SLACK_MS }, disturbed[vmId] ?? []);
    const explained = neverArrived(command) ? away && (killed || !runs.has(commandId)) : killed;
    if (explained) continue;
    const facts = JSON.stringify({
      reason,
      ran: runs.get(commandId) ?? 0,
      endedAfterExpiry: endedAt - expiresAt,
    });
    yield { rule: 'unexplained', what: `${commandId} of ${vmId} is unknown, and nothing says why: ${facts}` };
  }
}

function* outputs({ reported }: History): Generator<Violation> {
  for (const { commandId, tag, state, stdout } of reported) {
    const whole = lineOf(tag, commandId);
    const right = state === 'succeeded' || state === 'failed' ? stdout === whole : whole.startsWith(stdout);
    if (!right) yield { rule: 'output', what: `${commandId} (${state}) printed ${JSON.stringify(stdout)}` };
  }
}

/** Every way in which a history contradicts what was promised. */
export const violationsOf = (history: History): Violation[] => [
  ...lost(history),
  ...executions(history),
  ...order(history),
  ...ends(history),
  ...unknowns(history),
  ...outputs(history),
];

/** For the report: how many commands ended how. */
export function tally({ reported, submissions, executions: ran }: History): Record<string, number> {
  const states = Object.fromEntries(countBy(reported, ({ state }) => state));
  return {
    submissions: submissions.length,
    unanswered: submissions.filter(({ acknowledgedAt }) => acknowledgedAt === undefined).length,
    commands: reported.length,
    executions: ran.length,
    ...states,
    'unknown, never arrived': reported.filter(neverArrived).length,
    'late results': reported.filter((command) => command.ends.length > 1).length,
  };
}
