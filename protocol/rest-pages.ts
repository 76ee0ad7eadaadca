import { z } from 'zod';

/** Lists go page by page; a page says where the next one begins. */
export const listQuerySchema = z.object({
  cursor: z.string().max(256).optional().describe('next_cursor of the page before'),
  limit: z.coerce.number().int().min(1).max(500).default(100),
});

/** Lists that came whole before they had pages: who asks for none still gets as much as he did. */
export const longListQuerySchema = listQuerySchema.extend({
  limit: z.coerce.number().int().min(1).max(1000).default(1000),
});

/** Absent from an older orchestrator, whose list is whole. */
export const nextCursorSchema = z
  .string()
  .nullable()
  .default(null)
  .describe('Begins the next page, as ?cursor=; null on the last one');
