import { AppError } from '../../protocol/errors.ts';

/** Which part of a list is wanted. */
export interface PageRequest {
  /** Key of the last item of the page before. */
  after: string | undefined;
  limit: number;
}

export interface Page<I> {
  items: I[];
  /** Key of the last item, when there are more. */
  nextAfter: string | null;
}

/** A page of rows that were read with one more than `limit`, which says whether there are more. */
export function cutPage<R, I>(
  rows: readonly R[],
  limit: number,
  { keyOf, show }: { keyOf: (row: R) => string; show: (row: R) => I },
): Page<I> {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(show),
    nextAfter: rows.length > limit && last !== undefined ? keyOf(last) : null,
  };
}

/** The key of a list by time, the newest first: two of one moment are told apart by their identifiers. */
export const timeKey = (at: number, id: string): string => `${Number(at)}.${id}`;

/** @throws AppError `bad_request` */
export function parseTimeKey(key: string): { at: number; id: string } {
  const match = /^(\d{1,16})\.(.+)$/s.exec(key);
  if (match?.[1] !== undefined && match[2] !== undefined) return { at: Number(match[1]), id: match[2] };
  throw new AppError('bad_request', {
    detail: 'The cursor is of another list.',
    hint: 'Use next_cursor of an answer as it is, or none for the first page.',
  });
}
