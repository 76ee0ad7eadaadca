import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TERMINAL_FEATURE, TERMINAL_TOOL } from '../../protocol/terminal.ts';
import type { AgentHome } from '../fakes/agent-home.ts';
import { type AgentRig, startAgentRig } from '../fakes/agent-rig.ts';
import type { FakeOrchestrator } from '../fakes/fake-orchestrator.ts';
import { isAlive } from '../fakes/processes.ts';

/** A real agent in user mode, with an orchestrator that signs what the test wants. */
let home: AgentHome;
let server: FakeOrchestrator;
let rig: AgentRig;

beforeAll(async () => {
  rig = await startAgentRig();
  ({ home, server } = rig);
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

type Sealed = { envelope: unknown; delegation: unknown };

/** Opens a terminal; what is typed is numbered as the orchestrator would. */
function open(args: Record<string, unknown> = {}, timeout = 60) {
  const command = home.signer.shell('', {
    tool: TERMINAL_TOOL,
    arguments: { rows: 24, cols: 80, term: 'xterm', ...args },
    limits: { timeout_s: timeout },
  });
  const id = command.payload.command_id;
  let n = 0;
  let offset = 0;
  server.sendCommand(command);
  const screen = () => server.outputOf(id, 'stdout').toString();
  const send = (type: 'input' | 'resize' | 'signal', sealed: Sealed) =>
    server.send({ type, command_id: id, ...sealed } as never);
  const seal = (text: string, over: Record<string, unknown> = {}) =>
    home.signer.input(id, {
      type: 'input',
      n: ++n,
      stream: 'stdin',
      offset,
      data: Buffer.from(text).toString('base64'),
      ...over,
    });
  return {
    id,
    screen,
    send,
    seal,
    type(text: string) {
      send('input', seal(text));
      offset += Buffer.byteLength(text);
    },
    resize: (rows: number, cols: number) =>
      send('resize', home.signer.input(id, { type: 'resize', n: ++n, rows, cols })),
    signal: (signal: string) => send('signal', home.signer.input(id, { type: 'signal', n: ++n, signal })),
    until: (text: string | RegExp) =>
      server.until(() => (typeof text === 'string' ? screen().includes(text) : text.test(screen()))),
    result: () => server.resultOf(id),
  };
}

const shell = { command: 'PS1="ready> " exec sh -i' };

describe('a terminal', () => {
  it('is announced, and is a terminal: a device, a size, an echo, job control', async () => {
    expect(server.hellos[0]?.features).toContain(TERMINAL_FEATURE);
    const terminal = open({ rows: 31, cols: 97, ...shell });
    await terminal.until('ready> ');
    terminal.type('tty; stty size; echo $TERM; ps -o tpgid= -p $$; echo do""ne\n');
    await terminal.until('done\r\n');
    expect(terminal.screen()).toContain('tty; stty size');
    expect(terminal.screen()).toMatch(/\/dev\/pts\/\d+\r\n31 97\r\nxterm\r\n/);
    expect(terminal.screen()).not.toContain('no job control');
    terminal.type('exit 7\n');
    expect(await terminal.result()).toMatchObject({ state: 'failed', reason: 'exit', exit_code: 7 });
  });

  it('follows a change of its size while something runs', async () => {
    const terminal = open({ command: 'trap "stty size; exit" WINCH; echo up; while :; do sleep 0.05; done' });
    await terminal.until('up');
    terminal.resize(40, 120);
    await terminal.until('40 120');
    expect((await terminal.result()).exit_code).toBe(0);
  });

  it('turns Ctrl-C into an interrupt of what is in front', async () => {
    const terminal = open(shell);
    await terminal.until('ready> ');
    terminal.type('sleep 1000; echo "status $?"\n');
    await terminal.until('status $?');
    terminal.type('\u0003');
    await terminal.until(/\^C[\s\S]*ready> /);
    terminal.type('exit\n');
    await terminal.result();
  });

  it('[terminal-1] leaves nothing behind: what it started ends with it, whatever that detached to', async () => {
    const terminal = open(shell);
    await terminal.until('ready> ');
    const file = `${home.path}/left`;
    terminal.type(`(setsid nohup sleep 1000 >/dev/null 2>&1 & echo $! >${file}; echo "wro""te")\n`);
    await terminal.until('wrote');
    const pid = Number(readFileSync(file, 'utf8'));
    expect(isAlive(pid)).toBe(true);
    terminal.type('exit\n');
    await terminal.result();
    expect(isAlive(pid)).toBe(false);
  });

  it('ends when it is cancelled, although a shell that talks ignores SIGTERM', async () => {
    const terminal = open({ command: 'exec bash -i' });
    await terminal.until(/[#$] /);
    server.send({ type: 'cancel', command_id: terminal.id } as never);
    expect((await terminal.result()).state).toBe('cancelled');
  });

  it('[terminal-2] ends when nobody uses it, and at its time limit although it is used', async () => {
    const idle = open({ ...shell, idle_timeout: 1 });
    expect((await idle.result()).state).toBe('timed_out');
    const busy = open({ command: 'while :; do echo busy; sleep 0.1; done' }, 1);
    expect((await busy.result()).state).toBe('timed_out');
  });

  it('waits for whoever looks at it: a flood stays on the machine, and Ctrl-C still ends it', async () => {
    server.holdOutputAcks = true;
    const terminal = open({ command: 'yes flood' });
    await server.until(() => server.sizeOf(terminal.id, 'stdout') > 128 * 1024);
    const seen = server.sizeOf(terminal.id, 'stdout');
    terminal.type('\u0003');
    server.holdOutputAcks = false;
    server.acknowledgeOutput(terminal.id, 'stdout');
    const result = await terminal.result();
    expect(result.exit_code ?? result.signal).toBeDefined();
    expect(server.sizeOf(terminal.id, 'stdout') - seen).toBeLessThan(1024 * 1024);
  });
});

describe('input', () => {
  it('[terminal-3] is refused when it is forged, for another terminal, out of order or repeated', async () => {
    const other = open(shell);
    const terminal = open({ command: 'stty -echo; echo up; cat' });
    await terminal.until('up');
    await other.until('ready> ');
    const forged = terminal.seal('forged\n');
    const bytes = Buffer.from((forged.envelope as { payload: string }).payload, 'base64').toString();
    const data = Buffer.from('FORGED\n').toString('base64');
    const altered = bytes.replace(/"data":"[^"]*"/, `"data":"${data}"`);
    terminal.send('input', {
      ...forged,
      envelope: { ...(forged.envelope as object), payload: Buffer.from(altered).toString('base64') },
    });
    const good = home.signer.input(terminal.id, {
      type: 'input',
      n: 1,
      stream: 'stdin',
      offset: 0,
      data: Buffer.from('good\n').toString('base64'),
    });
    // Genuine, but what it names is another terminal than the one that it is sent to.
    other.send('input', good);
    terminal.send('input', terminal.seal('gap\n', { n: 5 }));
    terminal.send('input', terminal.seal('hole\n', { n: 1, offset: 3 }));
    terminal.send('input', good);
    terminal.send('input', good);
    terminal.send(
      'input',
      home.signer.input(terminal.id, {
        type: 'input',
        n: 2,
        stream: 'stdin',
        offset: 5,
        data: Buffer.from('last\n\u0004').toString('base64'),
      }),
    );
    expect(await terminal.result()).toMatchObject({ exit_code: 0 });
    expect(terminal.screen()).toBe('up\r\ngood\r\nlast\r\n');
    expect(other.screen()).not.toContain('good');
    other.type('exit\n');
    await other.result();
  });

  it('comes through a break of the link, once and in order', async () => {
    const terminal = open({ command: 'stty -echo; echo up; cat' });
    await terminal.until('up');
    for (const word of ['one', 'two', 'three']) terminal.type(`${word}\n`);
    server.drop();
    terminal.type('four\n');
    await server.connected(server.hellos.length + 1);
    terminal.type('five\n\u0004');
    expect((await terminal.result()).exit_code).toBe(0);
    expect(terminal.screen()).toBe('up\r\none\r\ntwo\r\nthree\r\nfour\r\nfive\r\n');
  });
});
