import { describe, expect, it } from 'vitest';
import { unitArguments, unitScript } from '../../../../../agent/executor/server/unit.ts';
import { parseEnd } from '../../../../../agent/executor/server/unit-end.ts';

const places = {
  database: '/s/db',
  started: '/s/started',
  ended: '/s/ended',
  output: '/s/output',
  run: '/r',
  endScript: '/s/end.sh',
};
const facts = { stopped: undefined, cwd: false, silent: true };

describe('the unit of a command', () => {
  it('carries limits to the kernel and nothing of the command on its command line', () => {
    const args = unitArguments({
      id: 'cmd-1',
      runAs: 'ops',
      places,
      limits: { memory: '50%', tasks: 64, cpu_weight: 20 },
      timeoutS: 2.5,
      merged: false,
      stdin: false,
    });
    expect(args).toEqual(
      expect.arrayContaining([
        '--unit=vm-agent-cmd-cmd-1.service',
        '--property=User=ops',
        '--property=MemoryMax=50%',
        '--property=TasksMax=64',
        '--property=CPUWeight=20',
        '--property=RuntimeMaxSec=2500ms',
        '--property=LoadCredential=script:/r/cmd-1.script',
      ]),
    );
    expect(args.slice(-2)).toEqual(['/bin/sh', '/run/credentials/vm-agent-cmd-cmd-1.service/script']);
    // Neither outlives a daemon-reload in a transient unit.
    expect(args.filter((word) => word.includes('$') || /^--property=Exec\w+=[+!-]/.test(word))).toEqual([]);
  });

  it('ends with the executor when it is bound to it', () => {
    const plan = {
      id: 'a',
      runAs: 'root',
      places,
      limits: {},
      timeoutS: 1,
      merged: true,
      stdin: true,
    };
    expect(unitArguments({ ...plan, boundTo: 'x@1.service' })).toContain('--property=BindsTo=x@1.service');
    expect(unitArguments(plan).join()).not.toContain('BindsTo');
  });

  it('quotes what a script exports, whatever it holds', () => {
    const script = unitScript({ command: 'echo hi', cwd: "/a'b", env: { A: "it's $HOME\n`id`" } });
    expect(script).toContain(
      "export A='it'\\''s $HOME\n`id`'; cd -- '/a'\\''b' 2>/dev/null || exit 200\necho hi\n",
    );
  });
});

describe('the end that systemd writes', () => {
  it.each([
    ['success|exited|0', {}, { kind: 'exited', exit_code: 0 }],
    ['exit-code|exited|7', {}, { kind: 'exited', exit_code: 7 }],
    ['signal|killed|KILL', {}, { kind: 'signalled', signal: 'SIGKILL' }],
    ['core-dump|dumped|SEGV', {}, { kind: 'signalled', signal: 'SIGSEGV' }],
    ['oom-kill|killed|KILL', {}, { kind: 'oom', signal: 'SIGKILL' }],
    ['oom-kill|killed|KILL', { stopped: 'cancelled' }, { kind: 'oom', signal: 'SIGKILL' }],
    ['timeout|killed|TERM', {}, { kind: 'stopped', cause: 'timeout', signal: 'SIGTERM' }],
    [
      'success|killed|TERM',
      { stopped: 'cancelled' },
      { kind: 'stopped', cause: 'cancelled', signal: 'SIGTERM' },
    ],
    ['exit-code||', {}, { kind: 'not_started', message: expect.stringContaining('systemd') }],
    [
      'exit-code|exited|200',
      { cwd: true },
      { kind: 'not_started', message: expect.stringContaining('working directory') },
    ],
    ['exit-code|exited|200', { cwd: true, silent: false }, { kind: 'exited', exit_code: 200 }],
    ['exit-code|exited|200', {}, { kind: 'exited', exit_code: 200 }],
  ] as const)('%s with %j', (line, more, end) => {
    expect(parseEnd(line, { ...facts, ...more })).toEqual(end);
  });
});
