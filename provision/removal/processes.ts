import { readdir, readFile, readlink } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import type { Host } from '../host.ts';

const POLL_MS = 50;

interface Process {
  pid: number;
  parent: number;
  uid: number;
}

/** Every process that can be seen; one that ends meanwhile is left out. */
async function processes(): Promise<Process[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? -1);
      return { pid: Number(pid), parent: field('PPid'), uid: field('Uid') };
    }),
  );
  return found.filter(({ uid }) => uid >= 0);
}

/** The processes above one, its parent first. */
export async function ancestorsOf(pid: number): Promise<number[]> {
  const parents = new Map((await processes()).map((process) => [process.pid, process.parent]));
  const above: number[] = [];
  for (let at = parents.get(pid); at !== undefined && at > 0 && !above.includes(at); at = parents.get(at))
    above.push(at);
  return above;
}

const ofUsers = async (uids: readonly number[]): Promise<number[]> =>
  (await processes()).filter(({ uid }) => uids.includes(uid)).map(({ pid }) => pid);

/** Programs of these versions that run as a daemon, other than the asking process and what started it. */
export async function daemonsFrom(versions: string): Promise<number[]> {
  const mine = [process.pid, ...(await ancestorsOf(process.pid))];
  const candidates = (await processes()).filter(({ pid }) => !mine.includes(pid));
  const ours = await Promise.all(
    candidates.map(async ({ pid }) => {
      const program = await readlink(`/proc/${pid}/exe`).catch(() => '');
      if (!program.startsWith(`${versions}/`)) return false;
      const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
      return words.includes('server');
    }),
  );
  return candidates.filter((_, index) => ours[index]).map(({ pid }) => pid);
}

/**
 * Ends processes, at once or with time to finish; false when some are still there. `asked`: those that were asked
 * before, and are only waited for: a second signal would tell them to give up.
 */
export async function endAll(
  find: () => Promise<number[]>,
  options: {
    host: Pick<Host, 'terminate'>;
    clock: Clock;
    signal: 'SIGTERM' | 'SIGKILL';
    withinMs: number;
    asked?: readonly number[];
  },
): Promise<boolean> {
  const { host, clock, signal, withinMs } = options;
  const end = clock.monotonic() + withinMs;
  const asked = new Set(options.asked);
  for (;;) {
    const left = await find();
    if (left.length === 0) return true;
    for (const pid of left.filter((pid) => !asked.has(pid))) {
      host.terminate(pid, signal);
      asked.add(pid);
    }
    if (clock.monotonic() >= end) return false;
    await clock.sleep(POLL_MS);
  }
}

export const endProcessesOf = (
  uids: readonly number[],
  options: { host: Pick<Host, 'terminate'>; clock: Clock },
): Promise<boolean> => endAll(() => ofUsers(uids), { ...options, signal: 'SIGKILL', withinMs: 10_000 });
