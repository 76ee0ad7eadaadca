import { describe, expect, it } from 'vitest';
import { Health } from '../../agent/health.ts';
import { Exposition } from '../../agent/http/exposition.ts';
import { addAgentMetrics } from '../../agent/http/metrics.ts';
import { addNodeMetrics } from '../../agent/http/node-metrics.ts';
import { Sampler } from '../../agent/proc/sample.ts';
import { CallCounts } from '../../agent/tools/call-counts.ts';
import { createFakeClock } from '../fakes/fake-clock.ts';
import { createMachineFiles } from '../fakes/machine-files.ts';

// Dashboards and alerts of other people are written against these names.
describe('GET /metrics', () => {
  it('has these families, with these labels', async () => {
    await using files = await createMachineFiles();
    const clock = createFakeClock();
    const health = new Health();
    health.define('websocket', 'degraded', 'not connected yet');
    const counts = new CallCounts();
    counts.add('execute_shell_command', 'mcp', 'succeeded');
    const text = new Exposition();
    addAgentMetrics(text, {
      clock,
      version: '1.2.3',
      node: 'v24.0.0',
      health,
      counts,
      sampler: undefined,
      own: () => ({ cpuSeconds: 1, residentBytes: 2 }),
      connections: () => 3,
      certificateEndMs: () => 4000,
      outbox: () => 5,
      background: () => 6,
    });
    addNodeMetrics(text, await new Sampler({ clock, roots: files.roots }).sample());
    const lines = text.toString().split('\n');
    const types = new Map(
      lines
        .filter((line) => line.startsWith('# TYPE'))
        .map((line) => [line.split(' ')[2], line.split(' ')[3]]),
    );
    const families = new Map<string, string>();
    for (const line of lines) {
      const match = /^([a-z_0-9A-Z]+)(?:\{(.*)\})? \S+$/.exec(line);
      if (match === null) continue;
      const labels = [...(match[2] ?? '').matchAll(/(\w+)="/g)].map((label) => label[1]);
      families.set(match[1] ?? '', `${types.get(match[1])} ${match[1]}{${labels.join(',')}}`);
    }
    await expect(`${[...families.values()].toSorted().join('\n')}\n`).toMatchFileSnapshot('./metrics.txt');
  });
});
