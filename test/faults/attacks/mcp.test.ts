import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HOSTILE_VALUES, MIB, NO_JSON, planted } from './support/hostile-json.ts';
import { exchange } from './support/raw.ts';
import { type Stage, startStage } from './support/stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await startStage();
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

describe('[attack-4] JSON at the agent’s MCP door, from who has its key', () => {
  it('is refused or taken for what it is', async () => {
    const port = await stage.machine.agent.port();
    const post = (body: string) =>
      exchange(
        { port },
        `POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: key-of-this-machine\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${Buffer.from(body).toString('latin1')}`,
      );
    const call = (value: string) =>
      planted(
        {
          jsonrpc: '2.0',
          id: 1,
          method: 'tools/call',
          params: { name: 'read_file', arguments: { path: '/etc/hostname', more: '@' } },
        },
        value,
      );
    const parameters = (value: string) =>
      planted({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: '@' }, value);
    const grown = await stage.attack('hostile JSON at the MCP door', async () => {
      for (const [what, value] of [...HOSTILE_VALUES, ...NO_JSON])
        for (const make of [(text: string) => text, call, parameters]) {
          const { status, text } = await post(make(value));
          expect([what, status >= 200 && status < 500, text.slice(0, 60)]).toEqual([
            what,
            true,
            expect.any(String),
          ]);
        }
      const { status } = await post(`"${'x'.repeat(16 * MIB)}"`);
      expect([0, 400, 413]).toContain(status);
    });
    expect(grown.agent).toBeLessThan(256);
    expect(stage.machine.agent.log.filter(({ msg }) => msg === 'a request failed')).toEqual([]);
    expect(stage.machine.agent.stderr()).not.toMatch(/RangeError|Maximum call stack/);
  });
});
