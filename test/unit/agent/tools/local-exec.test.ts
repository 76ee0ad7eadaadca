import { describe, expect, it } from 'vitest';
import { executeLocally } from '../../../../agent/tools/local-exec.ts';
import { systemClock } from '../../../../base/clock.ts';
import { silentLogger } from '../../../../base/logger.ts';
import { isAlive } from '../../../fakes/processes.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

async function run(command: string, more: { sink?: () => Promise<void>; signal?: AbortSignal } = {}) {
  await using home = await createTempHome();
  const text = { stdout: '', stderr: '' };
  const outcome = await executeLocally({
    args: { command },
    enabled: true,
    defaultTimeoutS: 30,
    env: { PATH: '/usr/bin:/bin' },
    cwd: '/',
    folder: home.join('pipes'),
    clock: systemClock,
    log: silentLogger,
    signal: more.signal ?? new AbortController().signal,
    output: (stream, bytes) => {
      text[stream] += bytes.toString();
      return more.sink?.();
    },
  });
  return { outcome, ...text };
}

describe('running a command without a daemon', () => {
  it('gives output and exit code as they are', async () => {
    const got = await run('echo a; echo b >&2; exit 4');
    expect(got).toMatchObject({ outcome: { exit_code: 4 }, stdout: 'a\n', stderr: 'b\n' });
  });

  it('loses nothing when the reader is slower than the command', async () => {
    // Each piece is held back until other work had its turn, so the shell has long ended before the last is read.
    const sink = () => new Promise<void>((resolve) => setImmediate(resolve));
    const got = await run('seq 200000', { sink });
    expect(got.stdout.split('\n')).toHaveLength(200_001);
  });

  it('cancels the whole tree', async () => {
    const abort = new AbortController();
    let pid = '';
    await using home = await createTempHome();
    const outcome = await executeLocally({
      args: { command: 'setsid sleep 4720 & echo $!; wait' },
      enabled: true,
      defaultTimeoutS: 30,
      env: { PATH: '/usr/bin:/bin' },
      cwd: '/',
      folder: home.join('pipes'),
      clock: systemClock,
      log: silentLogger,
      signal: abort.signal,
      output: (_stream, bytes) => {
        pid += bytes.toString().trim();
        abort.abort();
      },
    });
    expect(outcome.state).toBe('cancelled');
    expect(isAlive(pid)).toBe(false);
  });
});
