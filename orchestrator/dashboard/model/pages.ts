export interface Page<T> {
  /** The newest first. */
  items: readonly T[];
  next_cursor: string | null;
}

/** The newest page as it is by now, and behind it what was shown or read before. */
export function joinPages<T extends { id: unknown }>(newest: Page<T>, kept: Page<T> | undefined): Page<T> {
  if (kept === undefined) return newest;
  const ids = new Set(newest.items.map(({ id }) => id));
  const older = kept.items.filter(({ id }) => !ids.has(id));
  // So much came that some of it is on neither: the list begins anew, and shows no gap as if it were none.
  if (older.length === kept.items.length && newest.next_cursor !== null) return newest;
  return { items: [...newest.items, ...older], next_cursor: kept.next_cursor };
}
