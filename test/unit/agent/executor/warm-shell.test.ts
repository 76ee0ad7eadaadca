import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PipePool } from '../../../../agent/executor/pipes.ts';
import { markOf } from '../../../../agent/executor/process-tree.ts';
import { attachShell, type RunningShell, spawnShell, startShell } from '../../../../agent/executor/spawn.ts';
import { WAIT, WarmShell } from '../../../../agent/executor/warm-shell.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';

const env = { PATH: '/usr/bin:/bin', HOME: '/', LANG: 'C.UTF-8' };
let home: TempHome;
let pipes: PipePool;
let warm: WarmShell;
beforeEach(async () => {
  home = await createTempHome('warm-');
  pipes = new PipePool(home.join('pipes'));
  warm = new WarmShell({ pipes, cwd: home.path, env });
});
afterEach(async () => {
  await warm.close();
  await pipes.close();
  await home[Symbol.asyncDispose]();
});

function collect() {
  const text = { stdout: '', stderr: '' };
  const sinks = {
    stdout: (bytes: Buffer) => {
      text.stdout += bytes.toString();
    },
    stderr: (bytes: Buffer) => {
      text.stderr += bytes.toString();
    },
  };
  return { text, sinks };
}

async function endOf(shell: RunningShell | undefined) {
  if (shell === undefined) throw new Error('no shell took the command');
  const end = await shell.exited;
  await shell.drained;
  return end;
}

describe('a shell that was started ahead of need', () => {
  it('gives a command what one of its own gives it: environment, folder, empty input, session, every character', async () => {
    const command = String.raw`env | sort; pwd; cat; ps -o sid= -p $$ | grep -qw $$ && echo leads;  printf '%s\n' "a\\b  c" 'd\ne' ; echo "$0 $#"`;
    const own = collect();
    await endOf(await spawnShell({ id: 'cmd-1', command, cwd: home.path, env, pipes, ...own.sinks }));
    await warm.prepare();
    const ahead = collect();
    const shell = warm.run({ id: 'cmd-1', command, ...ahead.sinks });
    expect(shell?.tree.mark).toBe(markOf('cmd-1'));
    expect(await endOf(shell)).toEqual({ exitCode: 0, signal: null });
    expect(ahead.text).toEqual(own.text);
    expect(own.text.stdout).toContain(markOf('cmd-1'));
    expect(own.text.stdout).toContain('leads');
  });

  it('tells exit codes and signals as they are', async () => {
    await warm.prepare();
    expect(await endOf(warm.run({ id: 'cmd-1', command: 'exit 7', ...collect().sinks }))).toEqual({
      exitCode: 7,
      signal: null,
    });
    await warm.prepare();
    expect(await endOf(warm.run({ id: 'cmd-2', command: 'kill -9 $$', ...collect().sinks }))).toEqual({
      exitCode: null,
      signal: 'SIGKILL',
    });
  });

  it('runs one command and no second', async () => {
    await warm.prepare();
    const first = warm.run({ id: 'cmd-1', command: 'true', ...collect().sinks });
    expect(warm.run({ id: 'cmd-2', command: 'true', ...collect().sinks })).toBeUndefined();
    await endOf(first);
  });

  it.each(['true\nfalse', 'echo ä', 'true \0', `true ${'#'.repeat(1024)}`, ''])(
    'leaves to others what its input might change: %j',
    async (command) => {
      await warm.prepare();
      expect(warm.run({ id: 'cmd-1', command, ...collect().sinks })).toBeUndefined();
    },
  );

  it('[delivery-2] runs nothing when its agent is gone in the middle of a line', async () => {
    for (const input of ['', 'cmd-1', 'cmd-1\n', 'cmd-1\necho ran']) {
      const { text, sinks } = collect();
      const shell = await startShell({ script: WAIT, cwd: home.path, env, pipes, stdin: 'pipe' });
      shell.child.stdin?.end(input);
      const end = await endOf(attachShell(shell, { id: 'cmd-1', ...sinks }));
      expect(end).toEqual({ exitCode: 1, signal: null });
      expect(text).toEqual({ stdout: '', stderr: '' });
    }
  });

  it('is gone when it is closed, and none is started after that', async () => {
    await warm.prepare();
    await warm.close();
    await warm.prepare();
    expect(warm.run({ id: 'cmd-1', command: 'true', ...collect().sinks })).toBeUndefined();
  });
});
