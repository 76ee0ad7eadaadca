import { Agent, request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type McpAgent, startMcpAgent } from './support/agent.ts';

const CLIENTS = 50;
const CALLS = 100;

let agent: McpAgent;
beforeAll(async () => {
  agent = await startMcpAgent();
});
afterAll(() => agent[Symbol.asyncDispose]());

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
};
/** The same ids for everybody. */
const message = (id: number, method: string, params: object) =>
  JSON.stringify({ jsonrpc: '2.0', id, method, params });

interface Got {
  session: string | undefined;
  messages: { id?: number; method?: string; params?: { progressToken?: unknown }; result?: Result }[];
}
interface Result {
  structuredContent?: { commands?: unknown[]; error?: string };
  content?: { text: string }[];
}

function post(keepAlive: Agent, body: string, headers: Record<string, string>): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: agent.port,
        path: '/mcp',
        method: 'POST',
        agent: keepAlive,
        headers: {
          'X-API-Key': agent.home.apiKey,
          'Content-Type': 'application/json',
          Accept: 'application/json, text/event-stream',
          ...headers,
        },
      },
      (response) => {
        let text = '';
        response.on('data', (piece) => {
          text += piece;
        });
        response.on('end', () => {
          const stream = response.headers['content-type']?.startsWith('text/event-stream');
          const lines = stream ? [...text.matchAll(/^data: (\{.*)$/gm)].map((m) => m[1] ?? '') : [text];
          resolve({
            session: response.headers['mcp-session-id'] as string | undefined,
            messages: lines.filter(Boolean).map((line) => JSON.parse(line) as Got['messages'][number]),
          });
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** What only this client asked for, so that a foreign answer is seen at once: a file that is not there is named in the answer. */
const payloadOf = (client: number, call: number) => `payload-${client}-${call}`;

async function work(client: number): Promise<string[]> {
  const legacy = client % 2 === 1;
  const keepAlive = new Agent({ keepAlive: true, maxSockets: 2 });
  const wrong: string[] = [];
  const headers: Record<string, string> = {};
  if (legacy) {
    const info = {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'raw', version: '1' },
    };
    const { session } = await post(keepAlive, message(0, 'initialize', info), {});
    headers['mcp-session-id'] = session ?? '';
  }
  const one = async (id: number) => {
    const payload = payloadOf(client, id);
    // Every tenth call runs a program.
    const shell = id % 10 === 0;
    const name = shell ? 'execute_shell_command' : 'read_file';
    const args = shell ? { command: `echo ${payload}` } : { file_path: `/nowhere/${payload}` };
    const meta = { progressToken: 1, ...(legacy ? {} : META) };
    const body = message(id, 'tools/call', { name, arguments: args, _meta: meta });
    const modern = { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'tools/call', 'Mcp-Name': name };
    const { messages } = await post(keepAlive, body, legacy ? headers : modern);
    const answer = messages.find((entry) => entry.id === id);
    const text = JSON.stringify(answer);
    const payloads = text?.match(/payload-\d+-\d+/g) ?? [];
    if (payloads.length === 0 || payloads.some((found) => found !== payload))
      wrong.push(`${payload}: ${text?.slice(0, 200)}`);
  };
  for (let id = 1; id <= CALLS; id += 2) await Promise.all([one(id), one(id + 1)]);
  keepAlive.destroy();
  return wrong;
}

it('[mcp-3] gives 50 clients of both eras with 100 calls each nobody else’s answer', async () => {
  const wrong = await Promise.all(Array.from({ length: CLIENTS }, (_, client) => work(client)));
  expect(wrong.flat().slice(0, 5)).toEqual([]);
});
