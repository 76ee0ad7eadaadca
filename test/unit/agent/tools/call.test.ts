import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { startCall } from '../../../../agent/tools/call.ts';
import { createRegistry } from '../../../../agent/tools/registry.ts';
import type { Tool, ToolEnd } from '../../../../agent/tools/tool.ts';
import { silentLogger } from '../../../../base/logger.ts';
import { AppError, type ErrorCode } from '../../../../protocol/errors.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';

const input = z.strictObject({ timeout: z.number().optional() });
function tool(run: Tool['run'], more: Partial<Tool> = {}): Tool {
  return {
    name: 'try_it',
    group: 'try',
    title: 'Try it',
    description: 'Tries it.',
    input,
    output: z.object({}),
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    defaultTimeoutS: 300,
    run,
    ...more,
  };
}
const untilStopped: Tool['run'] = (context) =>
  new Promise((resolve) =>
    context.signal.addEventListener('abort', () => resolve({ kind: 'signalled', signal: 'SIGTERM' })),
  );

function start(run: Tool['run'], args: object = {}, timeoutS?: number) {
  const clock = createFakeClock();
  const written: string[] = [];
  const call = createRegistry([tool(run)]).prepare('try_it', args);
  const running = startCall({
    id: 'cmd-1',
    call,
    clock,
    log: silentLogger,
    caller: { door: 'cli', id: 'me', grant: 'cli' },
    output: (_stream, bytes) => {
      written.push(bytes.toString());
    },
    ...(timeoutS === undefined ? {} : { timeoutS }),
  });
  return { clock, running, written };
}

describe('calling a tool', () => {
  it('calls a non-zero exit a failure that ran, with its code', async () => {
    const end: ToolEnd = { kind: 'exited', exitCode: 3 };
    const { running, clock } = start(async () => end);
    expect(await running.outcome).toEqual({ state: 'failed', reason: 'exit', exit_code: 3 });
    expect(clock.armed()).toEqual([]);
  });

  it('ends at the shorter of the caller’s time and its own', async () => {
    for (const [args, limit, expected] of [
      [{ timeout: 5 }, 60, 5000],
      [{ timeout: 60 }, 7, 7000],
      [{}, undefined, 300_000],
    ] as const) {
      const { running, clock } = start(untilStopped, args, limit);
      expect(clock.armed()).toEqual([expected]);
      await clock.advance(expected);
      expect(await running.outcome).toMatchObject({ state: 'timed_out', signal: 'SIGTERM' });
    }
  });

  it('lets the first cause of a stop name the end', async () => {
    const { running } = start(untilStopped);
    running.stop('output_failed', Object.assign(new Error('full'), { code: 'ENOSPC' }));
    running.stop('cancelled');
    expect(await running.outcome).toMatchObject({ state: 'failed', error: { code: 'disk_full' } });
  });

  it('tells what the agent’s own stop ended', async () => {
    const { running } = start(untilStopped);
    running.stop('agent_stopping');
    expect(await running.outcome).toMatchObject({ state: 'failed', reason: 'agent_lost' });
  });

  it('writes a value to stdout as one JSON document', async () => {
    const { running, written } = start(async () => ({
      kind: 'value',
      structured: { lines: 3 },
      text: 'three',
    }));
    expect(await running.outcome).toEqual({ state: 'succeeded' });
    expect(written).toEqual(['{"lines":3}\n']);
  });

  it('calls what a tool may not do refused, and what it cannot do failed, with its code', async () => {
    const error = (code: ErrorCode) => () =>
      Promise.reject(new AppError(code, { detail: 'no', hint: 'try another' }));
    expect(await start(error('forbidden')).running.outcome).toEqual({
      state: 'refused',
      reason: 'policy',
      error: { code: 'forbidden', message: 'no', hint: 'try another' },
    });
    expect(await start(error('not_found')).running.outcome).toEqual({
      state: 'failed',
      error: { code: 'not_found', message: 'no', hint: 'try another' },
    });
  });

  it('takes a tool that throws the reason of its signal as stopped', async () => {
    const { running } = start(
      ({ signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
        ),
    );
    running.stop('cancelled');
    expect(await running.outcome).toEqual({ state: 'cancelled' });
  });

  it('turns a tool that throws into a failure', async () => {
    const { running } = start(() => Promise.reject(new Error('bug')));
    expect(await running.outcome).toMatchObject({ state: 'failed', error: { code: 'internal' } });
  });
});

describe('the tool registry', () => {
  it('names the tools that it has when one is asked for that it lacks', () => {
    const registry = createRegistry([tool(untilStopped)]);
    expect(() => registry.prepare('other', {})).toThrow(/it has try_it/);
  });

  it('refuses a tool that is switched off, and does not announce it', () => {
    const registry = createRegistry([tool(untilStopped, { disabled: true })]);
    expect(() => registry.prepare('try_it', {})).toThrow(expect.objectContaining({ code: 'tool_disabled' }));
    expect(registry.manifest().tools).toEqual([]);
  });

  it('checks arguments for every caller', () => {
    const registry = createRegistry([tool(untilStopped)]);
    expect(() => registry.prepare('try_it', { bogus: 1 })).toThrow(
      expect.objectContaining({ code: 'bad_request' }),
    );
  });
});
