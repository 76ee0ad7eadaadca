import { Server } from '@modelcontextprotocol/server';
import { describe, expect, it } from 'vitest';
import { type Exchange, McpSessions } from '../../../../../agent/http/mcp/sessions.ts';
import { createFakeClock } from '../../../../fakes/fake-clock.ts';

function start(more: { maxSessions?: number } = {}) {
  const clock = createFakeClock();
  const sessions = new McpSessions({
    clock,
    factory: () => new Server({ name: 'x', version: '1' }, { capabilities: { tools: {} } }),
    onError: () => undefined,
    maxBody: 1024 * 1024,
    ...more,
  });
  return { clock, sessions };
}

/** An exchange, and what ends it. */
function exchange(callerId: string): Exchange & { close(): void } {
  const closers: (() => void)[] = [];
  return {
    callerId,
    authInfo: { token: '', clientId: callerId, scopes: [] },
    onClose: (fn) => closers.push(fn),
    close: () => {
      for (const fn of closers) fn();
    },
  };
}

const post = (body: object, session?: string) =>
  new Request('http://localhost/mcp', {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      ...(session === undefined ? {} : { 'Mcp-Session-Id': session }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', ...body }),
  });
const INITIALIZE = {
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } },
};
const PING = { id: 2, method: 'ping' };

async function open(sessions: McpSessions, caller: string): Promise<string> {
  const own = exchange(caller);
  const response = await sessions.fetch(post(INITIALIZE), own);
  await response.text();
  own.close();
  return response.headers.get('mcp-session-id') ?? '';
}

async function status(sessions: McpSessions, caller: string, session: string): Promise<number> {
  const own = exchange(caller);
  const response = await sessions.fetch(post(PING, session), own);
  await response.text();
  own.close();
  return response.status;
}

describe('sessions of the revisions of 2025', () => {
  it('belong to who opened them, whoever knows the id', async () => {
    const { sessions } = start();
    const id = await open(sessions, 'ana');
    expect(id).toMatch(/^[0-9a-f]{48}$/);
    expect(await status(sessions, 'ana', id)).toBe(200);
    expect(await status(sessions, 'bob', id)).toBe(404);
    await sessions.close();
  });

  it('end after half an hour without use, and not while something is under way', async () => {
    const { sessions, clock } = start();
    const idle = await open(sessions, 'ana');
    const busy = await open(sessions, 'ana');
    const stream = exchange('ana');
    await sessions.fetch(
      new Request('http://localhost/mcp', {
        headers: { Accept: 'text/event-stream', 'Mcp-Session-Id': busy },
      }),
      stream,
    );
    for (let minute = 0; minute < 32; minute++) await clock.advance(60_000);
    expect(sessions.size).toBe(1);
    expect(await status(sessions, 'ana', idle)).toBe(404);
    expect(await status(sessions, 'ana', busy)).toBe(200);
    await sessions.close();
    expect(clock.armed()).toEqual([]);
  });

  it('make room for a new one by ending the one that rested longest', async () => {
    const { sessions, clock } = start({ maxSessions: 2 });
    const first = await open(sessions, 'ana');
    await clock.advance(10);
    const second = await open(sessions, 'ana');
    await clock.advance(10);
    expect(await status(sessions, 'ana', first)).toBe(200);
    await clock.advance(10);
    await open(sessions, 'bob');
    expect(await status(sessions, 'ana', second)).toBe(404);
    expect(await status(sessions, 'ana', first)).toBe(200);
    await sessions.close();
  });

  it('are asked for by name when they are missing', async () => {
    const { sessions } = start();
    const response = await sessions.fetch(post(PING), exchange('ana'));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { message: expect.stringContaining('initialize') },
    });
    await sessions.close();
  });
});
