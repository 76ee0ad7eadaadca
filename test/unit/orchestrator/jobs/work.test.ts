import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { workOf } from '../../../../orchestrator/jobs/work.ts';
import { type CreateJobRequest, createJobRequestSchema } from '../../../../protocol/rest-jobs.ts';
import { SHELL_TOOL } from '../../../../protocol/tool-manifest.ts';
import { UPGRADE_TOOL } from '../../../../protocol/upgrade.ts';

const work = (body: Omit<CreateJobRequest, 'selector'>) =>
  workOf(createJobRequestSchema.parse({ selector: 'all', ...body }));

describe('what a job does', () => {
  it('is a command, a tool, a script or an upgrade', () => {
    expect(work({ arguments: { command: 'true' } })).toMatchObject({ kind: 'command', tool: SHELL_TOOL });
    expect(work({ tool: 'read_file', arguments: { path: '/x' } })).toMatchObject({ kind: 'tool' });
    expect(work({ upgrade: {} })).toMatchObject({ kind: 'upgrade', tool: UPGRADE_TOOL, arguments: {} });
    expect(work({ script: { body: 'id', interpreter: '/bin/bash' } })).toMatchObject({
      kind: 'script',
      tool: SHELL_TOOL,
      arguments: { stdin: 'id' },
      script: { interpreter: '/bin/bash', args: [] },
    });
  });

  it('is one thing', () => {
    expect(() => work({})).toThrow(/arguments of execute_shell_command/);
    expect(() => work({ script: { body: 'x' }, upgrade: {} })).toThrow(/one thing/);
    expect(() => work({ script: { body: 'x' }, tool: 'read_file' })).toThrow(/one thing/);
  });
});

describe('the command of a script', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'script-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function run(script: NonNullable<CreateJobRequest['script']>) {
    const { command, stdin } = work({ script }).arguments as { command: string; stdin: string };
    const done = spawnSync('/bin/sh', ['-c', command], {
      input: stdin,
      encoding: 'utf8',
      env: { ...process.env, TMPDIR: folder },
    });
    return { code: done.status, out: done.stdout, err: done.stderr };
  }

  it('runs it with its arguments and exit code, and leaves no file', () => {
    const body = 'printf "%s|" "$@"; exit 7\n';
    expect(run({ body, args: ['a b', "it's", ''] })).toEqual({ code: 7, out: "a b|it's||", err: '' });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('gives it an empty stdin, so that what it calls eats nothing of it', () => {
    expect(run({ body: 'cat\necho after\n', interpreter: '/bin/bash' })).toMatchObject({ out: 'after\n' });
  });

  it.each([
    ['python3', 'import sys; print(sys.argv[1:])', "['x']\n"],
    [process.execPath, 'console.log(process.argv.slice(2))', "[ 'x' ]\n"],
    ['perl', 'print "@ARGV\\n"', 'x\n'],
  ])('takes the interpreter %s', (interpreter, body, out) => {
    const done = run({ body, interpreter, args: ['x'] });
    if (done.code === 127) return;
    expect(done).toMatchObject({ code: 0, out });
  });

  it('says that an interpreter is missing', () => {
    const { code, err } = run({ body: 'x', interpreter: 'no-such-program' });
    expect(code).toBe(127);
    expect(err).toContain('no-such-program');
  });
});
