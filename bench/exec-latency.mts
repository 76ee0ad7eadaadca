// What it costs to run `true` on a machine and know how it ended.
import { alternate, type Contestant } from './lib/alternate.ts';
import { startSpawner } from './lib/child.ts';
import type { Comparison } from './lib/comparison.ts';
import { describeMachine, versionOf } from './lib/machine.ts';
import { goal, type Report } from './lib/report.ts';
import { sshObstacle, startSshd } from './lib/sshd.ts';
import { startStack } from './lib/stack.ts';
import { ratioOfMedians, summarize } from './lib/stats.ts';

const ROUNDS = 100;
const WARMUP = 10;
/** Contestants of 100 ms and more take part in every n-th round. */
const SLOW = 4;

const SPAWN = 'spawn `true`, from Node, pipes read (floor)';
const SHELL = 'spawn `/bin/sh -c true`, the same';
const REST = 'ours: REST submit → `end` event, kept connection';
const RUN = 'ours: `vm-orchestrator run`, its start included';
const MUX = 'ssh, multiplexed (ControlMaster), its start included';
const NEW = 'ssh, new connection';
const NEW_X25519 = 'ssh, new connection, curve25519 key exchange';

export const comparison: Comparison = {
  name: 'exec-latency',
  summary: 'one `true`: ours, a plain spawn, ssh multiplexed and new',
  async run({ rounds = ROUNDS, cpuProfileDir, progress }): Promise<Report> {
    const sshMissing = sshObstacle();
    const machine = describeMachine({ OpenSSH: versionOf('ssh', '-V') ?? 'none' });
    await using closing = new AsyncDisposableStack();
    progress('starting an orchestrator and an agent');
    const stack = closing.use(await startStack({ cpuProfileDir }));
    await stack.startAgent();
    const spawner = closing.use(startSpawner());
    const time = async (file: string, args: readonly string[], env?: NodeJS.ProcessEnv) =>
      (await spawner.run(file, args, env)).ms;

    const selector = `id=${stack.agentId}`;
    const [node, ...program] = stack.orchestratorProgram;
    const contestants: Contestant[] = [
      { name: SPAWN, once: () => time('true', []) },
      { name: SHELL, once: () => time('/bin/sh', ['-c', 'true']) },
      {
        name: REST,
        once: async () => {
          const started = performance.now();
          const { state } = await stack.rest.runJob({ selector, arguments: { command: 'true' } });
          const ms = performance.now() - started;
          if (state !== 'succeeded') throw new Error(`the command ended as ${state}`);
          return ms;
        },
      },
      {
        name: RUN,
        every: SLOW,
        once: () => time(node, [...program, 'run', '--selector', selector, '--', 'true'], stack.clientEnv),
      },
    ];
    if (sshMissing === undefined) {
      const sshd = closing.use(await startSshd());
      const fresh = sshd.newConnection();
      const quick = sshd.newConnection('KexAlgorithms=curve25519-sha256');
      const shared = sshd.multiplexed();
      contestants.push(
        { name: MUX, once: () => time('ssh', [...shared, 'true']) },
        { name: NEW, every: SLOW, once: () => time('ssh', [...fresh, 'true']) },
        { name: NEW_X25519, every: SLOW, once: () => time('ssh', [...quick, 'true']) },
      );
    }

    const samples = await alternate({
      contestants,
      rounds,
      warmup: WARMUP,
      onRound: (done, all) => progress(`round ${done} of ${all}`),
    });
    const of = (name: string) => samples.get(name) ?? [];
    const rows = contestants.map(({ name }) => {
      const samplesOf = of(name);
      const summary = summarize(samplesOf);
      const floor = ratioOfMedians(samplesOf, of(SPAWN)).value;
      return { name, values: { ...summary, floor, spread: summary.p95 / summary.median } };
    });
    const atMost = (name: string, ours: string, base: string, limit: number) =>
      goal({ name, measured: ratioOfMedians(of(ours), of(base)), limit, bound: 'at most' });
    const goals = [atMost('ours (REST) ÷ plain spawn', REST, SPAWN, 1.5)];
    if (sshMissing === undefined)
      goals.push(
        atMost('ours (REST) ÷ ssh multiplexed', REST, MUX, 0.4),
        atMost('ours (REST) ÷ ssh new, curve25519', REST, NEW_X25519, 0.05),
        atMost('ours (run) ÷ ssh new, curve25519', RUN, NEW_X25519, 1),
      );
    return {
      name: this.name,
      title: 'exec-latency: run `true`, know its exit code',
      machine: machine(),
      tables: [
        {
          title: 'ms',
          columns: [
            { key: 'n', label: 'n', digits: 0 },
            { key: 'min', label: 'min', digits: 2 },
            { key: 'median', label: 'median', digits: 2 },
            { key: 'p95', label: 'p95', digits: 2 },
            { key: 'spread', label: 'p95 ÷ median', digits: 2 },
            { key: 'floor', label: '× spawn', digits: 2 },
          ],
          rows,
        },
      ],
      goals,
      skipped: sshMissing === undefined ? [] : [{ name: 'ssh', reason: sshMissing }],
      notes: [
        'Ours includes what a spawn and ssh do not: the job on disk before it is sent, its start on disk before it starts, its result on disk before it is shown, authorization and audit.',
        'ssh runs on a loopback server of its own with an empty HOME, so the account’s shell reads no .bashrc; it writes nothing to disk.',
        'All processes on one machine: no network latency, where ssh’s several round trips would cost more.',
      ],
    };
  },
};
