import type { Page, PageRequest } from '../store/page.ts';
import { readCursor, writeCursor } from './cursor.ts';

/** What `?cursor=` and `?limit=` ask for. @throws AppError `bad_request` */
export const pageOf = ({ cursor, limit }: { cursor?: string | undefined; limit: number }): PageRequest => ({
  after: cursor === undefined ? undefined : readCursor(cursor),
  limit,
});

/** A page as lists answer it. */
export const pageAnswer = <I>({ items, nextAfter }: Page<I>): { items: I[]; next_cursor: string | null } => ({
  items,
  next_cursor: nextAfter === null ? null : writeCursor(nextAfter),
});
