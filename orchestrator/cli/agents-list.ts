import { type Agent, agentListSchema } from '../../protocol/rest-fleet.ts';
import type { RestClient } from './client.ts';

/** Every agent that a selector means, page by page. */
export async function listAgents(client: RestClient, selector: string): Promise<Agent[]> {
  const items: Agent[] = [];
  let cursor: string | undefined;
  do {
    const query = { selector, cursor, limit: 500 };
    const page = await client.call({ path: '/agents', query, answer: agentListSchema });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}
