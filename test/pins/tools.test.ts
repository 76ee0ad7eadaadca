import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectTs } from '../mcp/clients/typescript.ts';
import { type McpAgent, startMcpAgent } from '../mcp/support/agent.ts';

let agent: McpAgent;
beforeAll(async () => {
  agent = await startMcpAgent();
});
afterAll(() => agent[Symbol.asyncDispose]());

// What models and gateways are shown. A changed word can change what a model does: a difference is a decision.
it('shows the tools as they are pinned, in the same order to clients of both eras', async () => {
  const lists = [];
  for (const kind of ['TypeScript v2', 'TypeScript v2 (2025)'] as const) {
    const client = await connectTs(kind, agent.door('http'));
    lists.push((await client.listTools()).tools);
    await client.close();
  }
  expect(lists[0]).toEqual(lists[1]);
  await expect(`${JSON.stringify(lists[0], null, 2)}\n`).toMatchFileSnapshot('./tools-list.json');
});

/** Four characters are about one token of the tokenizers in use; JSON comes out a little dearer. */
const tokensOf = (json: string): number => Math.ceil(json.length / 3.6);

it('costs a model less than 6,000 tokens', async () => {
  const client = await connectTs('TypeScript v2', agent.door('http'));
  const { tools } = await client.listTools();
  await client.close();
  expect(tokensOf(JSON.stringify(tools))).toBeLessThan(6000);
});
