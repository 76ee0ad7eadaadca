// What comes through when a command prints as fast as it can.
import { systemClock } from '../base/clock.ts';
import { alternate, type Contestant } from './lib/alternate.ts';
import { startSpawner } from './lib/child.ts';
import type { Comparison } from './lib/comparison.ts';
import { describeMachine, versionOf } from './lib/machine.ts';
import { cpuMsOf, memoryOf, peakRssOf, resetPeakRss } from './lib/proc.ts';
import { goal, type Report } from './lib/report.ts';
import { sshObstacle, startSshd } from './lib/sshd.ts';
import { startStack } from './lib/stack.ts';
import { median, ratioOfMedians } from './lib/stats.ts';

const ROUNDS = 5;
const WARMUP = 1;
const MIB = 512;
/** How often the end of a job is asked for: far below what a stream takes. */
const POLL_MS = 10;

const PIPE = 'local pipe: spawn and count (floor)';
const DURABLE = 'ours: until the result is on the orchestrator’s disk';
const RUN = 'ours: `vm-orchestrator run`, bytes counted at its stdout';
const SSH = 'ssh, default cipher';

export const comparison: Comparison = {
  name: 'streaming',
  summary: 'the throughput of a command that prints 512 MiB: ours, ssh, a local pipe',
  async run({ rounds = ROUNDS, mib = MIB, cpuProfileDir, progress }): Promise<Report> {
    const sshMissing = sshObstacle();
    const machine = describeMachine({ OpenSSH: versionOf('ssh', '-V') ?? 'none' });
    const bytes = mib * 1024 * 1024;
    const command = `dd if=/dev/zero bs=1M count=${mib} 2>/dev/null`;
    await using closing = new AsyncDisposableStack();
    progress('starting an orchestrator and an agent');
    const stack = closing.use(await startStack({ cpuProfileDir }));
    const agent = await stack.startAgent();
    const spawner = closing.use(startSpawner());
    const counted = async (file: string, args: readonly string[], env?: NodeJS.ProcessEnv) => {
      const { ms, stdout } = await spawner.run(file, args, env);
      if (stdout !== bytes) throw new Error(`${file} printed ${stdout} of ${bytes} bytes`);
      return ms;
    };
    // Against what it weighed before it ever streamed: what an earlier stream left behind is growth too.
    const idle = memoryOf(agent.pid).rss;
    const growth: number[] = [];
    const agentCpu: number[] = [];
    const orchestratorCpu: number[] = [];

    /** Wraps a stream of ours: what it costs both programs. */
    const observed = async (stream: () => Promise<number>) => {
      const { pid } = agent;
      resetPeakRss(pid);
      const cpu = [cpuMsOf(pid), cpuMsOf(stack.orchestrator.pid)] as const;
      const ms = await stream();
      growth.push((peakRssOf(pid) - idle) / 1e6);
      agentCpu.push(cpuMsOf(pid) - cpu[0]);
      orchestratorCpu.push(cpuMsOf(stack.orchestrator.pid) - cpu[1]);
      return ms;
    };
    const durable = async () => {
      const started = performance.now();
      const id = await stack.rest.submit({ selector: `id=${stack.agentId}`, arguments: { command } });
      for (;;) {
        const { state, commands } = await stack.rest.job(id);
        if (state === 'ended') {
          const ms = performance.now() - started;
          const [only] = commands;
          if (only?.state !== 'succeeded' || only.output.stdout !== bytes)
            throw new Error(
              `the stream ended as ${only?.state} with ${only?.output.stdout} of ${bytes} bytes`,
            );
          return ms;
        }
        await systemClock.sleep(POLL_MS);
      }
    };
    const [node, ...program] = stack.orchestratorProgram;
    const run = ['run', '--selector', `id=${stack.agentId}`, '--', command];
    const contestants: Contestant[] = [
      { name: PIPE, once: () => counted('/bin/sh', ['-c', command]) },
      { name: DURABLE, once: () => observed(durable) },
      { name: RUN, once: () => counted(node, [...program, ...run], stack.clientEnv) },
    ];
    if (sshMissing === undefined) {
      const sshd = closing.use(await startSshd());
      contestants.push({ name: SSH, once: () => counted('ssh', [...sshd.newConnection(), command]) });
    }
    const samples = await alternate({
      contestants,
      rounds,
      warmup: WARMUP,
      onRound: (done, all) => progress(`round ${done} of ${all}`),
    });
    const of = (name: string) => samples.get(name) ?? [];
    // Speeds are compared: twice as fast is half the time.
    const speed = (ms: number) => bytes / 1000 / ms;
    const faster = (ours: string, base: string) => ratioOfMedians(of(ours).map(speed), of(base).map(speed));
    const rows = contestants.map(({ name }) => {
      const speeds = of(name).map(speed);
      const values = {
        n: speeds.length,
        median: median(speeds),
        worst: Math.min(...speeds),
        seconds: median(of(name)) / 1000,
      };
      return { name, values: { ...values, floor: faster(name, PIPE).value } };
    });
    const goals = [
      goal({
        name: 'ours (durable) ÷ local pipe, speed',
        measured: faster(DURABLE, PIPE),
        limit: 0.4,
        bound: 'at least',
      }),
      goal({
        name: `agent’s peak RSS growth over ${mib} MiB`,
        measured: { value: Math.max(...growth) },
        limit: 48,
        bound: 'at most',
        unit: 'MB',
      }),
    ];
    if (sshMissing === undefined)
      goals.push(
        goal({
          name: 'ours (durable) ÷ ssh, speed',
          measured: faster(DURABLE, SSH),
          limit: 2,
          bound: 'at least',
        }),
        goal({ name: 'ours (run) ÷ ssh, speed', measured: faster(RUN, SSH), limit: 1, bound: 'at least' }),
      );
    return {
      name: this.name,
      title: `streaming: a command that prints ${mib} MiB`,
      machine: machine(),
      tables: [
        {
          title: 'MB/s',
          columns: [
            { key: 'n', label: 'n', digits: 0 },
            { key: 'median', label: 'median', digits: 0 },
            { key: 'worst', label: 'slowest', digits: 0 },
            { key: 'seconds', label: 'median s', digits: 2 },
            { key: 'floor', label: '× pipe', digits: 2 },
          ],
          rows,
        },
        {
          title: 'ours, each stream',
          columns: [
            { key: 'median', label: 'median', digits: 0 },
            { key: 'largest', label: 'largest', digits: 0 },
          ],
          rows: [
            {
              name: 'agent’s peak RSS growth, MB',
              values: { median: median(growth), largest: Math.max(...growth) },
            },
            { name: 'agent’s CPU, ms', values: { median: median(agentCpu), largest: Math.max(...agentCpu) } },
            {
              name: 'orchestrator’s CPU, ms',
              values: { median: median(orchestratorCpu), largest: Math.max(...orchestratorCpu) },
            },
          ],
        },
      ],
      goals,
      skipped: sshMissing === undefined ? [] : [{ name: 'ssh', reason: sshMissing }],
      notes: [
        'MB = 10^6 bytes. Every stream is counted to its last byte.',
        'Ours writes the whole output to disk twice, on the agent until it is acknowledged and on the orchestrator; ssh and the pipe keep nothing.',
      ],
    };
  },
};
