import type { Clock } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import type { ProcessEntry, ProcessList, ProcessListArguments } from '../../protocol/system.ts';
import { Accounts } from './accounts.ts';
import { TICKS } from './cpu.ts';
import { inSlices, listNames, type Roots, readRecord, readText, SYSTEM_ROOTS } from './read.ts';

const SHORTEST_MS = 500;
const OLDEST_MS = 60_000;
/** A command line may have megabytes; as much as ps(1) shows on a wide screen is enough to know it. */
const MAX_COMMAND = 1000;

/** What /proc/PID/stat tells of a process. See proc_pid_stat(5). */
interface Stat {
  pid: number;
  ppid: number;
  name: string;
  state: string;
  /** Processor time so far. */
  ticks: number;
  threads: number;
  /** Ticks after boot; with the pid it tells a process from a later one of the same number. */
  startTicks: number;
  rssPages: number;
}

export function parseProcessStat(text: string): Stat | undefined {
  // The name is in parentheses and may hold anything, parentheses included.
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const fields = text.slice(close + 2).split(' ', 22);
  const at = (i: number): number => Number(fields[i]);
  return {
    pid: Number.parseInt(text, 10),
    ppid: at(1),
    name: text.slice(open + 1, close),
    state: fields[0] ?? '?',
    ticks: at(11) + at(12),
    threads: at(17),
    startTicks: at(19),
    rssPages: at(21),
  };
}

/** The unit of a control group's path, or the path itself; undefined for the root. */
export function unitOf(cgroupText: string): string | undefined {
  let path = '';
  for (const line of cgroupText.split('\n')) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    // The one hierarchy of version 2, or systemd's own of version 1.
    if (match !== null && (match[1] === '' || match[1] === 'name=systemd')) path = match[2] ?? '';
    if (match?.[1] === 'name=systemd') break;
  }
  if (path === '' || path === '/') return undefined;
  const parts = path.split('/');
  return parts.findLast((part) => /\.(service|scope|socket|mount|swap)$/.test(part)) ?? path;
}

interface Look {
  atMs: number;
  ticks: Map<string, number>;
}

const keyOf = (stat: Stat): string => `${stat.pid} ${stat.startTicks}`;

interface Details {
  uid: number;
  rss: number;
  command: string;
  unit: string | undefined;
}

/** Lists processes; CPU is a mean since the last list, or over half a second when there was none. */
export class ProcessReader {
  readonly #clock: Clock;
  readonly #proc: string;
  readonly #accounts: Accounts;
  #last: Look | undefined;

  constructor(options: { clock: Clock; roots?: Roots }) {
    const roots = options.roots ?? SYSTEM_ROOTS;
    this.#clock = options.clock;
    this.#proc = roots.proc;
    this.#accounts = new Accounts(roots.etc);
  }

  /** @throws the signal's reason when it is aborted meanwhile. */
  async list(args: ProcessListArguments, signal: AbortSignal): Promise<ProcessList> {
    const before = await this.#before(signal);
    const stats = await this.#stats();
    const now = this.#look(stats);
    this.#last = now;
    const seconds = Math.max(0.001, (now.atMs - before.atMs) / 1000);
    const cpuOf = (stat: Stat): number => {
      const spent = stat.ticks - (before.ticks.get(keyOf(stat)) ?? 0);
      // One that is new since the first look has spent what it has in its own life.
      return Math.max(0, spent) / TICKS / seconds;
    };
    const measured = stats.map((stat) => ({ stat, cpu: cpuOf(stat) }));
    const order: Record<ProcessListArguments['sort'], (a: Measured, b: Measured) => number> = {
      cpu: (a, b) => b.cpu - a.cpu || b.stat.ticks - a.stat.ticks,
      memory: (a, b) => b.stat.rssPages - a.stat.rssPages,
      pid: (a, b) => a.stat.pid - b.stat.pid,
      start: (a, b) => b.stat.startTicks - a.stat.startTicks,
    };
    measured.sort((a, b) => order[args.sort](a, b) || a.stat.pid - b.stat.pid);
    this.#accounts.refresh();
    const bootMs = this.#bootMs();
    const processes: ProcessEntry[] = [];
    let matched = 0;
    const needle = args.filter?.toLowerCase();
    // Without a filter only those that are shown are looked at closely.
    await inSlices(needle === undefined ? measured.slice(0, args.top) : measured, this.#clock, (entry) => {
      if (signal.aborted) return;
      const shown = this.#describe(entry, bootMs);
      if (needle !== undefined && !matches(shown, needle)) return;
      if (++matched <= args.top) processes.push(shown);
    });
    signal.throwIfAborted();
    const total = stats.length;
    return { total, matched: needle === undefined ? total : matched, window_s: round(seconds), processes };
  }

  async #before(signal: AbortSignal): Promise<Look> {
    const now = this.#clock.monotonic();
    const last = this.#last;
    if (last !== undefined && now - last.atMs >= SHORTEST_MS && now - last.atMs <= OLDEST_MS) return last;
    const first = this.#look(await this.#stats());
    await this.#clock.sleep(SHORTEST_MS, signal);
    return first;
  }

  #look(stats: readonly Stat[]): Look {
    return {
      atMs: this.#clock.monotonic(),
      ticks: new Map(stats.map((stat) => [keyOf(stat), stat.ticks])),
    };
  }

  async #stats(): Promise<Stat[]> {
    const found: Stat[] = [];
    const pids = listNames(this.#proc).filter((name) => /^\d+$/.test(name));
    await inSlices(pids, this.#clock, (pid) => {
      const stat = parseProcessStat(readRecord(`${this.#proc}/${pid}/stat`));
      if (stat !== undefined) found.push(stat);
    });
    return found;
  }

  #bootMs(): number {
    return Number(/^btime (\d+)$/m.exec(readText(`${this.#proc}/stat`))?.[1] ?? 0) * 1000;
  }

  #describe({ stat, cpu }: Measured, bootMs: number): ProcessEntry {
    const { uid, rss, command, unit } = this.#details(stat);
    return {
      pid: stat.pid,
      ppid: stat.ppid,
      user: this.#accounts.name(uid),
      state: stat.state,
      cpu: Number((cpu * 100).toFixed(1)),
      rss,
      threads: stat.threads,
      started: isoTime(bootMs + (stat.startTicks / TICKS) * 1000),
      command,
      ...(unit === undefined ? {} : { unit }),
    };
  }

  #details(stat: Stat): Details {
    const folder = `${this.#proc}/${stat.pid}`;
    const status = readRecord(`${folder}/status`);
    const field = (pattern: RegExp): number => Number(pattern.exec(status)?.[1] ?? 0);
    const words = readRecord(`${folder}/cmdline`, 'utf8')
      .replace(/(?<!\0)\0+$/, '')
      .replaceAll('\0', ' ');
    return {
      // Real, effective, saved, file system: the second is whose rights it has.
      uid: field(/^Uid:\s+\d+\s+(\d+)/m),
      rss: field(/^VmRSS:\s+(\d+)/m) * 1024,
      // Threads of the kernel and zombies have none; ps(1) shows their name like this as well.
      command: words === '' ? `[${stat.name}]` : words.slice(0, MAX_COMMAND),
      unit: unitOf(readRecord(`${folder}/cgroup`, 'utf8')),
    };
  }
}

interface Measured {
  stat: Stat;
  cpu: number;
}

const round = (seconds: number): number => Number(seconds.toFixed(3));

const matches = ({ command, user, unit }: ProcessEntry, needle: string): boolean =>
  [command, user, unit ?? ''].some((text) => text.toLowerCase().includes(needle));
