import type { z } from 'zod';
import type { RestClient } from './client.ts';

/** All items of a list that comes in pages. */
export async function readRows<I>(
  client: RestClient,
  path: string,
  answer: z.ZodType<{ items: I[]; next_cursor: string | null }>,
): Promise<I[]> {
  const items: I[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.call({ path, query: { cursor, limit: 500 }, answer });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}
