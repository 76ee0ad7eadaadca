// What it costs to run `true` as root through the two privilege levels, on a machine with a real systemd.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { hostSuiteObstacles } from '../test/host/harness/preflight.ts';
import { enrolledMachine } from '../test/host/support/enrolled.ts';
import { alternate, type Contestant } from './lib/alternate.ts';
import { startSpawner } from './lib/child.ts';
import type { Comparison } from './lib/comparison.ts';
import { describeMachine } from './lib/machine.ts';
import { goal, type Report } from './lib/report.ts';
import { createRestClient } from './lib/rest.ts';
import { sshObstacle, startSshd } from './lib/sshd.ts';
import { ratioOfMedians, summarize } from './lib/stats.ts';

const OURS = 'ours: REST submit → `end`, executor, unit of its own';
const SPAWN = 'spawn `true` in the machine (floor)';
const SUDO = 'sudo true';
const SCOPE = 'systemd-run --scope true';
const PIPE = 'systemd-run --pipe --wait true';
const MUX = 'ssh, multiplexed (ControlMaster)';
const NEW = 'ssh, new connection';

export const comparison: Comparison = {
  name: 'privileged-exec',
  summary: 'one `true` as root: ours through the executor, sudo, systemd-run, ssh',
  async run({ rounds = 60, progress }): Promise<Report> {
    const machine = describeMachine({});
    const obstacles = await hostSuiteObstacles();
    if (obstacles.length > 0) throw new Error(obstacles.join('; '));
    await using closing = new AsyncDisposableStack();
    progress('booting a machine and enrolling it');
    const enrolled = await enrolledMachine('bench-1');
    closing.defer(() => enrolled.dispose());
    const rest = closing.use(
      createRestClient({
        url: enrolled.orchestrator.url,
        caPem: enrolled.orchestrator.caPem,
        apiToken: enrolled.orchestrator.apiToken,
        organization: 'default',
      }),
    );
    await enrolled.machine.writeFile(
      '/root/timer.mjs',
      readFileSync(join(import.meta.dirname, 'peers/timer.mjs')),
    );
    const timer = enrolled.machine.start(['/opt/vm-agent/current/runtime/node', '/root/timer.mjs']);
    closing.defer(timer.stop);
    const { stdin, stdout } = timer.child;
    if (stdin === null || stdout === null) throw new Error('no pipes');
    const answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
    const inside = async (...argv: string[]) => {
      stdin.write(`${JSON.stringify(argv)}\n`);
      const { ms, error } = JSON.parse(String((await answers.next()).value)) as {
        ms?: number;
        error?: string;
      };
      if (ms === undefined) throw new Error(`${argv.join(' ')}: ${error}`);
      return ms;
    };
    const contestants: Contestant[] = [
      { name: SPAWN, once: () => inside('true') },
      { name: SUDO, once: () => inside('sudo', '-n', 'true') },
      { name: SCOPE, once: () => inside('systemd-run', '--quiet', '--scope', 'true') },
      { name: PIPE, once: () => inside('systemd-run', '--quiet', '--pipe', '--wait', 'true') },
      {
        name: OURS,
        once: async () => {
          const started = performance.now();
          const { state } = await rest.runJob({ selector: 'env=test', arguments: { command: 'true' } });
          if (state !== 'succeeded') throw new Error(`the command ended as ${state}`);
          return performance.now() - started;
        },
      },
    ];
    const sshMissing = sshObstacle();
    if (sshMissing === undefined) {
      const sshd = closing.use(await startSshd());
      const spawner = closing.use(startSpawner());
      const [fresh, shared] = [sshd.newConnection('KexAlgorithms=curve25519-sha256'), sshd.multiplexed()];
      const ssh = async (args: readonly string[]) => (await spawner.run('ssh', [...args, 'true'])).ms;
      contestants.push(
        { name: MUX, once: () => ssh(shared) },
        { name: NEW, every: 4, once: () => ssh(fresh) },
      );
    }
    const samples = await alternate({
      contestants,
      rounds,
      warmup: 5,
      onRound: (done, all) => progress(`round ${done} of ${all}`),
    });
    const of = (name: string) => samples.get(name) ?? [];
    const limits: [string, number][] = [
      [PIPE, 1.5],
      ...(sshMissing === undefined ? ([[NEW, 0.5]] as [string, number][]) : []),
    ];
    return {
      name: this.name,
      title: 'privileged-exec: run `true` as root, know its exit code',
      machine: machine(),
      tables: [
        {
          title: 'ms',
          columns: [
            { key: 'n', label: 'n', digits: 0 },
            { key: 'min', label: 'min', digits: 2 },
            { key: 'median', label: 'median', digits: 2 },
            { key: 'p95', label: 'p95', digits: 2 },
            { key: 'floor', label: '× spawn', digits: 2 },
          ],
          rows: contestants.map(({ name }) => ({
            name,
            values: { ...summarize(of(name)), floor: ratioOfMedians(of(name), of(SPAWN)).value },
          })),
        },
      ],
      goals: limits.map(([base, limit]) =>
        goal({
          name: `ours ÷ ${base}`,
          measured: ratioOfMedians(of(OURS), of(base)),
          limit,
          bound: 'at most',
        }),
      ),
      skipped: sshMissing === undefined ? [] : [{ name: 'ssh', reason: sshMissing }],
      notes: [
        'Ours includes the job, its start and its end on disk, two signatures, the ledger, the audit chain and a control group of its own.',
        'sudo and systemd-run start from a small process in the machine; ssh runs against a loopback server of the host.',
      ],
    };
  },
};
