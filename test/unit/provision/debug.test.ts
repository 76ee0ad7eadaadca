import { expect, it } from 'vitest';
import { debuggedHost, debuggedReporter } from '../../../provision/debug.ts';
import { createFakeClock } from '../../fakes/fake-clock.ts';
import { fakeHost } from '../../fakes/fake-host.ts';

it('says each command, how it ended, and how long each step took', async () => {
  const lines: string[] = [];
  const debug = { output: { write: (text: string) => lines.push(text) }, clock: createFakeClock() };
  const host = fakeHost({ run: async () => ({ code: 3, stdout: '', stderr: 'inactive\n' }) });
  await debuggedHost(host, debug).run('systemctl', ['is-active', 'x']);
  const silent = { begin: () => undefined, end: () => undefined, fail: () => undefined };
  const step = {
    id: 'runtime',
    title: 'Runtime',
    isDone: async () => true,
    apply: async () => undefined,
    undo: async () => undefined,
  };
  const reporter = debuggedReporter(silent, debug);
  reporter.begin(step, 0, 1);
  reporter.end(step, { kind: 'already' });
  expect(lines).toEqual([
    'debug: ran systemctl is-active x: exit code 3, 0 ms\n',
    'debug:   inactive\n',
    'debug: step runtime took 0 ms\n',
  ]);
});
