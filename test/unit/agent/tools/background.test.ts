import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LeftoverSweeper } from '../../../../agent/executor/leftovers.ts';
import { PipePool } from '../../../../agent/executor/pipes.ts';
import { BackgroundCommands, type BackgroundOptions } from '../../../../agent/tools/background.ts';
import { wholeCharacters } from '../../../../agent/tools/background-command.ts';
import { boundedPattern } from '../../../../agent/tools/bounded-pattern.ts';
import { localShell } from '../../../../agent/tools/local-shell.ts';
import type { Caller, ToolContext } from '../../../../agent/tools/tool.ts';
import { systemClock } from '../../../../base/clock.ts';
import { silentLogger } from '../../../../base/logger.ts';
import type { ReadOutputArguments } from '../../../../protocol/background.ts';
import { isAlive } from '../../../fakes/processes.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';

const ALICE: Caller = { door: 'mcp', id: 'alice', grant: 'local-api' };
const BOB: Caller = { door: 'mcp', id: 'bob', grant: 'local-api' };
const never = new AbortController().signal;

let home: TempHome;
let pipes: PipePool;
let commands: BackgroundCommands;

const create = (more: Partial<BackgroundOptions> = {}) => {
  const host = localShell({
    pipes,
    leftovers: new LeftoverSweeper({ clock: systemClock, onKilled: () => undefined }),
    env: { PATH: '/usr/bin:/bin' },
    cwd: '/',
  });
  return new BackgroundCommands({
    host,
    clock: systemClock,
    log: silentLogger,
    folder: home.join('background'),
    ...more,
  });
};

beforeEach(async () => {
  home = await createTempHome();
  pipes = new PipePool(home.join('pipes'));
  commands = create();
});
afterEach(async () => {
  await commands.stop();
  await pipes.close();
  await home.remove();
});

const contextOf = (caller: Caller): ToolContext => ({
  id: 'cmd-call',
  clock: systemClock,
  log: silentLogger,
  signal: never,
  output: () => undefined,
  caller,
  progress: () => undefined,
  access: { read: ['/'], write: ['/'] },
});
const start = (command: string, more: { stdin?: string; timeout?: number } = {}, caller = ALICE) =>
  commands.start(contextOf(caller), { command, ...more });
const read = (id: string, more: Partial<ReadOutputArguments> = {}, caller = ALICE) =>
  commands.find(caller, id).read({ id, offset: 0, limit: 16_384, ...more }, never);
/** Its whole output, once it has ended. */
const ended = (id: string) => read(id, { until_regex: '(?!)', wait_ms: 20_000 });

describe('a command in the background', () => {
  it('has an id of 128 random bits, and is read from any offset while it runs and after its end', async () => {
    const id = await start('echo one; read line; echo "two $line"; exit 3');
    expect(id).toMatch(/^bg-[0-9a-f]{32}$/);
    const first = await read(id, { wait_ms: 10_000 });
    expect(first).toMatchObject({ state: 'running', text: 'one\n', next_offset: 4 });
    commands.find(ALICE, id).send('three\n', false);
    expect(await ended(id)).toMatchObject({ state: 'failed', exit_code: 3, text: 'one\ntwo three\n' });
    expect(await read(id, { offset: 4 })).toMatchObject({ text: 'two three\n' });
    expect(await read(id, { offset: -6, limit: 3 })).toMatchObject({ text: 'thr', next_offset: 11 });
  });

  it('keeps stdout and stderr in the order in which they were written', async () => {
    const id = await start('for i in 1 2 3; do echo o$i; echo e$i >&2; done');
    expect((await ended(id)).text).toBe('o1\ne1\no2\ne2\no3\ne3\n');
  });

  it('is unknown to another caller, who finds the same answer as for an id that never was', async () => {
    const id = await start('sleep 4731');
    expect(commands.list(BOB)).toEqual([]);
    expect(commands.list(ALICE)).toMatchObject([{ id, state: 'running', command: 'sleep 4731' }]);
    const refusal = (name: string) => {
      try {
        commands.find(BOB, name);
      } catch (cause) {
        return cause;
      }
      return undefined;
    };
    expect(refusal(id)).toMatchObject({ code: 'not_found' });
    expect(refusal(id)).toEqual(refusal('bg-00000000000000000000000000000000'));
  });

  it('is waited for until its output matches, also when it comes in pieces', async () => {
    const id = await start('printf "rea"; read x; printf "dy on 80\\n"; sleep 4732');
    const waiting = read(id, { until_regex: 'ready on \\d+' });
    await read(id, { wait_ms: 10_000 });
    commands.find(ALICE, id).send('\n', false);
    expect(await waiting).toMatchObject({ matched: true, state: 'running', text: 'ready on 80\n' });
    expect(await read(id, { until_regex: 'never', wait_ms: 60 })).toMatchObject({ matched: false });
  });

  it('gets its stdin at once, or by send_input until its end', async () => {
    expect((await ended(await start('cat /dev/stdin', { stdin: 'all of it' }))).text).toBe('all of it');
    const id = await start('cat');
    const command = commands.find(ALICE, id);
    expect(command.send('a\n', false)).toBe(2);
    command.send('b\n', true);
    expect((await ended(id)).text).toBe('a\nb\n');
    expect(() => command.send('c', false)).toThrow('This command has ended.');
  });

  it('refuses input that nobody reads, and more than a command will ever read', async () => {
    const closed = commands.find(ALICE, await start('sleep 4733', { stdin: '' }));
    expect(() => closed.send('x', false)).toThrow('The stdin of this command is closed.');
    const slow = commands.find(ALICE, await start('sleep 4733'));
    const piece = 'x'.repeat(256 * 1024);
    const sendAll = () => {
      for (let i = 0; i < 10; i++) slow.send(piece, false);
    };
    expect(sendAll).toThrow(/has not read \d+ bytes/);
  });

  it('ends with everything that it started, also what left its session', async () => {
    const id = await start('setsid sleep 4734 & echo $!; wait');
    const pid = Number((await read(id, { wait_ms: 10_000 })).text);
    expect(isAlive(pid)).toBe(true);
    await commands.find(ALICE, id).stop('cancelled');
    expect(isAlive(pid)).toBe(false);
    expect(commands.list(ALICE)).toMatchObject([{ state: 'cancelled' }]);
  });

  it('takes a signal to itself, and SIGKILL leaves nothing', async () => {
    const id = await start('trap "echo hup" HUP; echo go; while :; do sleep 0.05; done');
    await read(id, { until_regex: 'go' });
    await commands.find(ALICE, id).signal('SIGHUP');
    expect(await read(id, { until_regex: 'hup' })).toMatchObject({ matched: true, state: 'running' });
    await commands.find(ALICE, id).signal('SIGKILL');
    expect(commands.list(ALICE)).toMatchObject([{ state: 'failed', signal: 'SIGKILL' }]);
  });

  it('ends at its time limit, and when it writes more than is kept', async () => {
    expect(await ended(await start('sleep 4735', { timeout: 0.2 }))).toMatchObject({ state: 'timed_out' });
    await commands.stop();
    commands = create({ outputBytes: 1000 });
    const id = await start('yes');
    expect(await ended(id)).toMatchObject({ state: 'failed', size: 1000 });
    expect(commands.list(ALICE)[0]?.error).toMatch(/passed the limit/);
  });

  it('is one of so many at most', async () => {
    await commands.stop();
    commands = create({ maxRunning: 2 });
    const [id = ''] = await Promise.all([start('sleep 4736'), start('sleep 4736')]);
    await expect(start('true')).rejects.toMatchObject({ code: 'unavailable' });
    await commands.find(ALICE, id).stop('cancelled');
    expect(await ended(await start('echo room'))).toMatchObject({ text: 'room\n' });
  });

  it('ends with the agent, and leaves nothing on the disk', async () => {
    const id = await start('echo $$; sleep 4737');
    const pid = Number((await read(id, { wait_ms: 10_000 })).text);
    await commands.stop();
    expect(isAlive(pid)).toBe(false);
    expect(readdirSync(home.join('background'))).toEqual([]);
    expect(commands.list(ALICE)).toEqual([]);
  });

  it('that a killed agent left running is ended by the next one', async () => {
    const id = await start('setsid sleep 4738 & echo $!; wait');
    const pid = Number((await read(id, { wait_ms: 10_000 })).text);
    const next = create();
    await next.recover();
    expect(isAlive(pid)).toBe(false);
    expect(readdirSync(home.join('background'))).toEqual([]);
  });

  it('whose end was long ago is forgotten', async () => {
    await commands.stop();
    commands = create({ keepEndedMs: 0 });
    const id = await start('true');
    await ended(id).catch(() => undefined);
    while (commands.list(ALICE).length > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(readdirSync(home.join('background'))).toEqual([]);
  });
});

describe('a caller’s regular expression', () => {
  it('that would take for ever is broken off, and a wrong one is refused', () => {
    const slow = boundedPattern('(a+)+$');
    expect(slow('aaa')).toBe(true);
    expect(() => slow(`${'a'.repeat(40)}b`)).toThrow(/takes longer than 250 ms/);
    expect(() => boundedPattern('(')).toThrow(/not valid/);
  });
});

describe('a piece of output', () => {
  it('ends with a whole character', () => {
    const bytes = Buffer.from('aé€😀');
    const lengths = Array.from(bytes, (_byte, i) => wholeCharacters(bytes.subarray(0, i + 1)).length);
    expect(lengths).toEqual([1, 1, 3, 3, 3, 6, 6, 6, 6, 10]);
  });
});
