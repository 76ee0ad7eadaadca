import { beforeEach, describe, expect, it } from 'vitest';
import type { AgentSession } from '../../../../orchestrator/hub/agent-session.ts';
import type { InputLine } from '../../../../orchestrator/terminals/input-line.ts';
import { LiveTerminal, type TerminalClient } from '../../../../orchestrator/terminals/live-terminal.ts';
import type { Recorder } from '../../../../orchestrator/terminals/recording-files.ts';
import { CLIENT_WINDOW_BYTES } from '../../../../protocol/terminal-codes.ts';

let acknowledged: number[];
let shown: Buffer[];
let closed: string[];
let write: PromiseWithResolvers<void> | undefined;
let failures: unknown[];
let terminal: LiveTerminal;

const session = {
  sendHint: (message: { durable_offset: number }) => acknowledged.push(message.durable_offset),
} as unknown as AgentSession;
const client = (): TerminalClient => ({
  send: () => undefined,
  output: (bytes) => shown.push(bytes),
  pause: () => undefined,
  resume: () => undefined,
  close: (_code, reason) => closed.push(reason),
});
const frame = (offset: number, size: number) => ({
  command_id: 'cmd',
  stream: 'stdout' as const,
  offset,
  at_ms: 0,
  data: Buffer.alloc(size, 'x'),
});
const settled = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  acknowledged = [];
  shown = [];
  closed = [];
  failures = [];
  write = undefined;
  const recorder: Recorder = {
    output: () => undefined,
    resize: () => undefined,
    written: () => write?.promise ?? Promise.resolve(),
    size: 0,
    full: false,
    close: async () => undefined,
  };
  terminal = new LiveTerminal({
    facts: { id: 'trm', vmId: 'vm', commandId: 'cmd' } as never,
    size: { rows: 24, cols: 80 },
    input: {} as InputLine,
    recorder,
    onFailure: (cause) => failures.push(cause),
  });
});

describe('output', () => {
  it('is acknowledged when it is recorded, and shown at once', async () => {
    terminal.attach(client(), 0);
    write = Promise.withResolvers();
    terminal.output(session, frame(0, 10));
    await settled();
    expect([shown.length, acknowledged]).toEqual([1, []]);
    write.resolve();
    await settled();
    expect(acknowledged).toEqual([10]);
  });

  it('waits for a client that does not show it, and goes on when it has, or has gone', async () => {
    const slow = client();
    terminal.attach(slow, 0);
    terminal.output(session, frame(0, CLIENT_WINDOW_BYTES + 1));
    await settled();
    expect(acknowledged).toEqual([]);
    terminal.shown(1);
    await settled();
    expect(acknowledged).toEqual([CLIENT_WINDOW_BYTES + 1]);
    terminal.output(session, frame(CLIENT_WINDOW_BYTES + 1, 100));
    terminal.detach(slow, 0);
    await settled();
    expect(acknowledged.at(-1)).toBe(CLIENT_WINDOW_BYTES + 101);
  });

  it('counts once, however often a link brings it', () => {
    terminal.attach(client(), 0);
    terminal.output(session, frame(0, 10));
    terminal.output(session, frame(0, 10));
    terminal.output(session, frame(5, 10));
    expect(shown.map(({ length }) => length)).toEqual([10, 5]);
  });

  it('that cannot be recorded is told, and not acknowledged', async () => {
    write = Promise.withResolvers();
    terminal.output(session, frame(0, 10));
    write.reject(new Error('full'));
    await settled();
    expect([failures.length, acknowledged]).toEqual([1, []]);
  });
});

it('has one at it: who comes later takes the place', () => {
  terminal.attach(client(), 0);
  terminal.attach(client(), 0);
  expect(closed).toEqual(['the terminal was opened elsewhere']);
});
