import { readdirSync, readFileSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';

/**
 * A command's processes. A process group alone is not enough: `setsid` leaves it, and a daemonized grandchild is no
 * descendant any more. So a command carries a mark in its environment, which every process that it starts inherits,
 * however it detaches. What clears its environment *and* detaches escapes; only a control group would hold it.
 */
export interface Tree {
  /** Pid of the shell, which leads a session and a process group of its own. */
  leader: number;
  /** `NAME=value`, unique to the command. */
  mark: string;
}

export const COMMAND_MARK = 'VM_AGENT_COMMAND_ID';
export const markOf = (commandId: string): string => `${COMMAND_MARK}=${commandId}`;

interface ProcessEntry {
  pid: number;
  parent: number;
  group: number;
  session: number;
}

const SLICE = 64;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Undefined for a process that is gone, or a zombie, which no signal reaches. See proc_pid_stat(5). */
function readStat(pid: number): ProcessEntry | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name is in parentheses and may hold anything, parentheses included.
    const [state, parent, group, session] = text.slice(text.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' || state === 'X') return undefined;
    return { pid, parent: Number(parent), group: Number(group), session: Number(session) };
  } catch {
    return undefined;
  }
}

/** The marks that a process carries; none when it is not ours to read. */
function marksOf({ pid, session }: ProcessEntry): string[] {
  // The kernel's threads, and what came into this container from outside: a command's processes are in a session that
  // began here.
  if (session === 0) return [];
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
    return environment.split('\0').filter((entry) => entry.startsWith(`${COMMAND_MARK}=`));
  } catch {
    return [];
  }
}

/** Reads /proc in slices, so that a machine with thousands of processes does not hold up the event loop. */
async function listProcesses(): Promise<ProcessEntry[]> {
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid);
  const found: ProcessEntry[] = [];
  for (let i = 0; i < pids.length; i += SLICE) {
    if (i > 0) await nextTurn();
    for (const pid of pids.slice(i, i + SLICE)) {
      const entry = readStat(pid);
      if (entry !== undefined) found.push(entry);
    }
  }
  return found;
}

/** Pids that carry one of the marks, wherever they detached to, and their descendants. */
export async function findMarked(marks: ReadonlySet<string>): Promise<number[]> {
  const all = await listProcesses();
  const members = new Set<number>();
  for (const [i, entry] of all.entries()) {
    if (i % SLICE === SLICE - 1) await nextTurn();
    if (marksOf(entry).some((mark) => marks.has(mark))) members.add(entry.pid);
  }
  return withDescendants(members, all);
}

/** Pids of a command's tree that are alive. `reaped`: the leader has ended, so its number may belong to someone else. */
export async function findTree(tree: Tree, reaped: boolean): Promise<number[]> {
  const all = await listProcesses();
  const members = new Set<number>();
  const recycled = reaped && all.some(({ pid }) => pid === tree.leader);
  for (const [i, entry] of all.entries()) {
    if (i % SLICE === SLICE - 1) await nextTurn();
    const inGroup = entry.group === tree.leader || entry.session === tree.leader;
    if ((inGroup && !recycled) || marksOf(entry).includes(tree.mark)) members.add(entry.pid);
  }
  return withDescendants(members, all);
}

function withDescendants(members: Set<number>, all: readonly ProcessEntry[]): number[] {
  for (let before = -1; before !== members.size; ) {
    before = members.size;
    for (const { pid, parent } of all) if (members.has(parent)) members.add(pid);
  }
  return [...members];
}

/** Signals a process, or with a negative number a group. False when there is none, or it is not ours. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

const POLL_MS = 50;
const KILL_ROUNDS = 100;

/** SIGKILL until two looks in a row find nothing: what forks while it is being looked for is found by the next. */
export async function killTree(
  find: () => Promise<number[]>,
  clock: Clock,
): Promise<{ killed: number; left: number }> {
  let killed = 0;
  let left: number[] = [];
  for (let round = 0, empty = 0; round < KILL_ROUNDS && empty < 2; round++) {
    left = await find();
    if (left.length === 0) empty++;
    else {
      empty = 0;
      for (const pid of left) if (signalProcess(pid, 'SIGKILL')) killed++;
      // A process that was killed needs a moment to go; more rounds, a longer moment.
      await clock.sleep(Math.min(POLL_MS, 1 + round));
    }
  }
  return { killed, left: left.length };
}

/**
 * SIGTERM to the whole tree, `graceMs` to go, then SIGKILL until nothing is left. `reaped` says whether the leader
 * has ended. @returns how many processes could not be ended (they are in an uninterruptible wait, or not ours).
 */
export async function terminateTree(options: {
  tree: Tree;
  reaped: () => boolean;
  graceMs: number;
  clock: Clock;
}): Promise<number> {
  const { tree, reaped, graceMs, clock } = options;
  const find = () => findTree(tree, reaped());
  // The group first and in one step; then whoever left it.
  if (!reaped()) signalProcess(-tree.leader, 'SIGTERM');
  for (const pid of await find()) signalProcess(pid, 'SIGTERM');
  const until = clock.monotonic() + graceMs;
  while (clock.monotonic() < until) {
    await clock.sleep(Math.min(POLL_MS, until - clock.monotonic()));
    if (reaped() && (await find()).length === 0) return 0;
  }
  return (await killTree(find, clock)).left;
}
