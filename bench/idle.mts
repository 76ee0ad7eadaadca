// What the agent weighs while it does nothing, and how fast it is there.
import { systemClock } from '../base/clock.ts';
import { alternate } from './lib/alternate.ts';
import { type Daemon, end, freePort, portAccepts, startDaemon } from './lib/child.ts';
import type { BenchOptions, Comparison } from './lib/comparison.ts';
import { describeMachine } from './lib/machine.ts';
import { cpuMsOf, memoryOf } from './lib/proc.ts';
import { goal, type Report, type Row } from './lib/report.ts';
import { type Stack, startStack } from './lib/stack.ts';
import { median, ratioOfMedians, summarize } from './lib/stats.ts';

const SECONDS = 60;
/** Time for a fresh process to finish starting and collect its garbage. */
const SETTLE_MS = 10_000;
const STARTS = 12;
const WARMUP = 2;

const BARE = 'bare Node with node:http';
const OURS = 'ours: agent, enrolled and connected';
const PEER = `${import.meta.dirname}/peers/bare-http.cjs`;

const startBare = (port: number): Daemon => startDaemon(process.execPath, [PEER, String(port)]);

/** One sample of each process in each second of the window; CPU time over the whole of it. */
async function watch(
  daemons: ReadonlyMap<string, Daemon>,
  seconds: number,
  progress: BenchOptions['progress'],
): Promise<Row[]> {
  const samples = new Map([...daemons.keys()].map((name) => [name, [] as ReturnType<typeof memoryOf>[]]));
  const cpuBefore = new Map([...daemons].map(([name, { pid }]) => [name, cpuMsOf(pid)]));
  const started = systemClock.monotonic();
  for (let second = 1; second <= seconds; second++) {
    await systemClock.sleep(Math.max(0, started + second * 1000 - systemClock.monotonic()));
    for (const [name, { pid }] of daemons) samples.get(name)?.push(memoryOf(pid));
    progress(`idle: ${second} of ${seconds} s`);
  }
  return [...daemons].map(([name, { pid }]) => {
    const taken = samples.get(name) ?? [];
    const mb = (key: 'rss' | 'pss' | 'anonymous') => median(taken.map((memory) => memory[key])) / 1e6;
    const cpu = ((cpuMsOf(pid) - (cpuBefore.get(name) ?? 0)) * 60) / seconds;
    return {
      name,
      values: { n: taken.length, rss: mb('rss'), pss: mb('pss'), anonymous: mb('anonymous'), cpu },
    };
  });
}

async function coldStart(start: (port: number) => Daemon): Promise<number> {
  const port = await freePort();
  const started = performance.now();
  const daemon = start(port);
  try {
    await portAccepts(port, daemon);
    return performance.now() - started;
  } finally {
    await end(daemon.child);
  }
}

const startsOf = (stack: Stack, env: NodeJS.ProcessEnv) => [
  { name: BARE, once: () => coldStart(startBare) },
  {
    name: OURS,
    once: () => coldStart((port) => startDaemon(process.execPath, stack.agentArgs(port), env)),
  },
];

export const comparison: Comparison = {
  name: 'idle',
  summary: 'RSS, PSS, anonymous memory, CPU and cold start: the agent and a bare Node with http',
  async run({ seconds = SECONDS, rounds = STARTS, cpuProfileDir, progress }): Promise<Report> {
    const machine = describeMachine({});
    await using closing = new AsyncDisposableStack();
    progress('starting an orchestrator and an agent');
    const stack = closing.use(await startStack({ cpuProfileDir }));
    const port = await freePort();
    const bare = closing.use(startBare(port));
    await portAccepts(port, bare);
    const agent = await stack.startAgent();
    progress('letting both settle');
    await systemClock.sleep(SETTLE_MS);
    const rows = await watch(
      new Map([
        [BARE, bare],
        [OURS, agent],
      ]),
      seconds,
      progress,
    );
    await end(agent.child);

    const starts = await alternate({
      contestants: startsOf(stack, stack.clientEnv),
      rounds,
      warmup: WARMUP,
      onRound: (done, all) => progress(`cold start ${done} of ${all}`),
    });
    const startsNamed = (name: string) => starts.get(name) ?? [];
    const startRows = [BARE, OURS].map((name) => ({
      name,
      values: {
        ...summarize(startsNamed(name)),
        bare: ratioOfMedians(startsNamed(name), startsNamed(BARE)).value,
      },
    }));
    const [bareRow, oursRow] = rows;
    const idleRatio = (key: string) => ({
      value: (oursRow?.values[key] ?? Number.NaN) / (bareRow?.values[key] ?? Number.NaN),
    });
    return {
      name: this.name,
      title: 'idle: what the agent costs while nothing happens',
      machine: machine(),
      tables: [
        {
          title: `medians over ${seconds} s`,
          columns: [
            { key: 'n', label: 'n', digits: 0 },
            { key: 'rss', label: 'RSS MB', digits: 1 },
            { key: 'pss', label: 'PSS MB', digits: 1 },
            { key: 'anonymous', label: 'anon MB', digits: 1 },
            { key: 'cpu', label: 'CPU ms/min', digits: 1 },
          ],
          rows,
        },
        {
          title: 'cold start, ms',
          columns: [
            { key: 'n', label: 'n', digits: 0 },
            { key: 'min', label: 'min', digits: 1 },
            { key: 'median', label: 'median', digits: 1 },
            { key: 'p95', label: 'p95', digits: 1 },
            { key: 'bare', label: '× bare', digits: 2 },
          ],
          rows: startRows,
        },
      ],
      goals: [
        goal({ name: 'idle RSS ÷ bare', measured: idleRatio('rss'), limit: 1.35, bound: 'at most' }),
        goal({ name: 'idle anonymous ÷ bare', measured: idleRatio('anonymous'), limit: 2, bound: 'at most' }),
        goal({
          name: 'idle CPU',
          measured: { value: oursRow?.values['cpu'] ?? Number.NaN },
          limit: 100,
          bound: 'at most',
          unit: 'ms/min',
        }),
        goal({
          name: 'cold start ÷ bare',
          measured: ratioOfMedians(startsNamed(OURS), startsNamed(BARE)),
          limit: 2.5,
          bound: 'at most',
        }),
      ],
      skipped: [],
      notes: [
        'MB = 10^6 bytes. PSS counts shared pages by their share, and every process here runs the same Node: alone it is nearly the RSS.',
        'Cold start: from starting the process to the first connection that its port accepts, tried every millisecond.',
      ],
    };
  },
};
