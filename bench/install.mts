// How long a machine takes from the pasted line to an agent that is online, beside what its bytes alone cost.
import { bootMachine } from '../test/host/harness/machine.ts';
import { hostSuiteObstacles } from '../test/host/harness/preflight.ts';
import { serve } from '../test/host/support/orchestrator.ts';
import type { Comparison } from './lib/comparison.ts';
import { describeMachine } from './lib/machine.ts';
import { goal, type Report } from './lib/report.ts';
import { ratioOfMedians, summarize } from './lib/stats.ts';

const BYTES = 'curl and tar: the same archives, fetched and unpacked (floor)';
const FIRST = 'ours: the line, until the agent is healthy and online';
const AGAIN = 'ours: the line again, where nothing is to be done';
const DEB = 'dpkg -i: a package with the same files, no service';

export const comparison: Comparison = {
  name: 'install',
  summary: 'the line that enrolls a machine, beside its bytes alone and a package of them',
  async run({ rounds = 3, progress }): Promise<Report> {
    const machine = describeMachine({});
    const obstacles = await hostSuiteObstacles();
    if (obstacles.length > 0) throw new Error(obstacles.join('; '));
    const samples = new Map<string, number[]>([BYTES, DEB, FIRST, AGAIN].map((name) => [name, []]));
    for (let round = 1; round <= rounds; round++) {
      progress(`round ${round} of ${rounds}`);
      await using vm = await bootMachine({ hostname: 'bench-2' });
      const orchestrator = await serve({ address: vm.hostAddress });
      try {
        const timed = async (name: string, script: string) => {
          const started = performance.now();
          await vm.runOk(['bash', '-e'], { input: `${script}\n`, timeoutMs: 300_000 });
          samples.get(name)?.push(performance.now() - started);
        };
        const { one_liner } = await orchestrator.createToken();
        await vm.writeFile('/root/ca.pem', orchestrator.caPem);
        const fetch = `cd /root; rm -rf x; mkdir x; curl -fsS --cacert ca.pem ${orchestrator.url}/artifacts/manifest.txt | while read -r sum rest; do curl -fsS --cacert ca.pem ${orchestrator.url}/artifacts/$sum.tar.gz | tar -xz -C x; done; sync`;
        await timed(BYTES, fetch);
        await vm.runOk(
          'mkdir -p /root/p/DEBIAN /root/p/opt && cp -a /root/x /root/p/opt/tried && printf "Package: tried\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b.c>\\nDescription: x\\n" >/root/p/DEBIAN/control && dpkg-deb -Zgzip -b /root/p /root/tried.deb',
          { timeoutMs: 120_000 },
        );
        await timed(DEB, 'dpkg -i /root/tried.deb');
        await timed(FIRST, one_liner);
        await timed(AGAIN, (await orchestrator.createToken()).one_liner);
      } finally {
        await orchestrator.dispose();
      }
    }
    const of = (name: string) => samples.get(name) ?? [];
    return {
      name: this.name,
      title: 'install: from the line to an agent that is online',
      machine: machine(),
      tables: [
        {
          title: 'ms',
          columns: [
            { key: 'n', label: 'n', digits: 0 },
            { key: 'min', label: 'min', digits: 0 },
            { key: 'median', label: 'median', digits: 0 },
            { key: 'floor', label: '× bytes', digits: 2 },
          ],
          rows: [...samples].map(([name, values]) => ({
            name,
            values: { ...summarize(values), floor: ratioOfMedians(values, of(BYTES)).value },
          })),
        },
      ],
      goals: [
        goal({
          name: 'the line ÷ its bytes alone',
          measured: ratioOfMedians(of(FIRST), of(BYTES)),
          limit: 3,
          bound: 'at most',
        }),
      ],
      skipped: [],
      notes: [
        'Ours includes key and request, registration, certificate, users, units, hashes of every file, a start, and two looks at its health.',
        'Orchestrator and machine share this computer: no network latency.',
      ],
    };
  },
};
