// What it costs to look at the machine: the agent's own reading of /proc, systeminformation, a node_exporter's scrape, ps.
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemMetrics } from '../agent/proc/metrics.ts';
import { ProcessReader } from '../agent/proc/processes.ts';
import { Sampler } from '../agent/proc/sample.ts';
import { systemClock } from '../base/clock.ts';
import { alternate, type Contestant } from './lib/alternate.ts';
import { freePort, plainEnv, portAccepts, startDaemon, startSpawner } from './lib/child.ts';
import type { BenchOptions, Comparison } from './lib/comparison.ts';
import { describeMachine, versionOf } from './lib/machine.ts';
import { cpuMsOf } from './lib/proc.ts';
import { goal, type Report } from './lib/report.ts';
import { ratioOfMedians, summarize } from './lib/stats.ts';

const ROUNDS = 20;
const WARMUP = 2;
/** systeminformation answers from a cache for half a second. */
const CACHE_MS = 600;
const OURS = 'ours, snapshot';
const SI = 'systeminformation, the same facts';
const EXPORTER = 'node_exporter, scrape';
const OUR_LIST = 'ours, process list';
const PS = 'ps aux';
const SI_LIST = 'systeminformation, processes()';

/** The functions of systeminformation that are called; each answers a promise. */
type Functions = Readonly<Record<string, () => Promise<unknown>>>;
const SAME_FACTS = [
  'currentLoad',
  'mem',
  'fsSize',
  'disksIO',
  'networkStats',
  'cpuTemperature',
  'users',
] as const;

async function systeminformation(): Promise<{ functions: Functions; version: string } | undefined> {
  const folder = join(import.meta.dirname, 'node_modules/systeminformation');
  if (!existsSync(folder)) return undefined;
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string };
  const module = (await import(pathToFileURL(join(folder, 'lib/index.js')).href)) as { default: Functions };
  return { functions: module.default, version };
}

async function scrape(port: number): Promise<void> {
  const request = get({ host: '127.0.0.1', port, path: '/metrics', agent: false });
  const [response] = await once(request, 'response');
  response.resume();
  await once(response, 'end');
  if (response.statusCode !== 200) throw new Error(`node_exporter answered ${response.statusCode}`);
}

/** CPU of this process and of those that it started and that have ended, in ms. */
function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (user + system) / 1000 + (Number(fields[13]) + Number(fields[14])) * 10;
}

/** Wall time is what `alternate` gets; CPU is added up beside it, as children's is only told in ticks of 10 ms. */
class Cpu {
  readonly #spent = new Map<string, number[]>();

  contestant(name: string, read: () => number, work: () => Promise<unknown>): Contestant {
    const spent: number[] = [];
    this.#spent.set(name, spent);
    return {
      name,
      once: async () => {
        await systemClock.sleep(name === SI_LIST || name === OUR_LIST ? CACHE_MS : 20);
        const cpu = read();
        const began = performance.now();
        await work();
        const ms = performance.now() - began;
        spent.push(read() - cpu);
        return ms;
      },
    };
  }

  /** Without the rounds that only warmed up. */
  mean(name: string): number {
    const counted = (this.#spent.get(name) ?? []).slice(WARMUP);
    return counted.reduce((sum, ms) => sum + ms, 0) / counted.length;
  }
}

async function run(options: BenchOptions): Promise<Report> {
  const { rounds = ROUNDS, progress } = options;
  await using closing = new AsyncDisposableStack();
  const skipped: { name: string; reason: string }[] = [];
  const cpu = new Cpu();
  const never = new AbortController().signal;
  const sampler = new Sampler({ clock: systemClock });
  let before = sampler.counters();
  const processes = new ProcessReader({ clock: systemClock });
  await processes.list({ sort: 'cpu', top: 1 }, never);
  const contestants = [
    cpu.contestant(OURS, ownCpuMs, async () => {
      const after = await sampler.sample();
      systemMetrics(before, after, 'bench');
      before = after;
    }),
    cpu.contestant(OUR_LIST, ownCpuMs, () => processes.list({ sort: 'cpu', top: 1000 }, never)),
  ];

  const spawner = closing.use(startSpawner());
  contestants.push(
    cpu.contestant(
      PS,
      () => Number.NaN,
      () => spawner.run('/bin/ps', ['aux'], plainEnv()),
    ),
  );

  const si = await systeminformation();
  if (si === undefined)
    skipped.push({ name: 'systeminformation', reason: 'not installed: npm ci --prefix bench' });
  else {
    const call = (name: string) => si.functions[name]?.() ?? Promise.reject(new Error(`no function ${name}`));
    contestants.push(
      cpu.contestant(SI, ownCpuMs, () => Promise.all(SAME_FACTS.map(call))),
      cpu.contestant(SI_LIST, ownCpuMs, () => call('processes')),
    );
  }

  const exporterVersion = versionOf('prometheus-node-exporter', '--version');
  if (exporterVersion === undefined)
    skipped.push({ name: 'node_exporter', reason: 'not installed (Debian: prometheus-node-exporter)' });
  else {
    const port = await freePort();
    const exporter = closing.use(
      startDaemon('prometheus-node-exporter', [`--web.listen-address=127.0.0.1:${port}`]),
    );
    await portAccepts(port, exporter);
    contestants.push(
      cpu.contestant(
        EXPORTER,
        () => cpuMsOf(exporter.pid),
        () => scrape(port),
      ),
    );
  }

  const machine = describeMachine({
    ...(si === undefined ? {} : { systeminformation: si.version }),
    ...(exporterVersion === undefined
      ? {}
      : { node_exporter: /version (\S+)/.exec(exporterVersion)?.[1] ?? '?' }),
  });
  const samples = await alternate({
    contestants,
    rounds,
    warmup: WARMUP,
    onRound: (done, all) => progress(`round ${done} of ${all}`),
  });
  const of = (name: string) => samples.get(name) ?? [];
  const has = (name: string) => samples.has(name);
  const table = (title: string, base: string, names: readonly string[]) => ({
    title,
    columns: [
      { key: 'median', label: 'median ms', digits: 2 },
      { key: 'p95', label: 'p95', digits: 2 },
      { key: 'cpu', label: 'CPU ms', digits: 2 },
      { key: 'times', label: '× ours', digits: 1 },
    ],
    rows: names.filter(has).map((name) => ({
      name,
      values: {
        ...summarize(of(name)),
        cpu: cpu.mean(name),
        times: ratioOfMedians(of(name), of(base)).value,
      },
    })),
  });
  const { total } = await processes.list({ sort: 'pid', top: 1 }, never);
  return {
    name: 'metrics',
    title: 'metrics: what one look at the machine costs',
    machine: machine(),
    tables: [
      table(`snapshot, n = ${rounds}`, OURS, [OURS, SI, EXPORTER]),
      table(`${total} processes, n = ${rounds}`, OUR_LIST, [OUR_LIST, PS, SI_LIST]),
    ],
    goals: [
      ...(has(SI) ? [cpuGoal(cpu, SI, 'systeminformation', 0.03)] : []),
      ...(has(EXPORTER) ? [cpuGoal(cpu, EXPORTER, 'node_exporter’s scrape', 0.2)] : []),
      goal({
        name: 'process list: ours ÷ ps aux',
        measured: ratioOfMedians(of(OUR_LIST), of(PS)),
        limit: 0.6,
        bound: 'at most',
      }),
    ],
    skipped,
    notes: [
      `systeminformation: ${SAME_FACTS.join(', ')} at once. Both of ours turn counters into rates since the last look.`,
      'Our list has command line, memory, user and unit of every process, and gives way to other work in between; ps has no unit.',
      'node_exporter collects more (its default collectors), and its answer is HTTP; its CPU is that of its own process. Its client here is not counted.',
      'CPU is a mean, with that of ended children. ps runs in a process of its own, whose CPU is not counted.',
    ],
  };
}

function cpuGoal(cpu: Cpu, peer: string, name: string, limit: number) {
  return goal({
    name: `snapshot, CPU: ours ÷ ${name}`,
    measured: { value: cpu.mean(OURS) / cpu.mean(peer) },
    limit,
    bound: 'at most',
  });
}

export const comparison: Comparison = {
  name: 'metrics',
  summary: 'a look at the machine and its processes: systeminformation, node_exporter, ps',
  run,
};
