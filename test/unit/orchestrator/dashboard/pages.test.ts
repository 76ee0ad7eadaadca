import { describe, expect, it } from 'vitest';
import { joinPages } from '../../../../orchestrator/dashboard/model/pages.ts';

const page = (first: number, last: number, next_cursor: string | null) => ({
  items: Array.from({ length: first - last + 1 }, (_, n) => ({ id: first - n })),
  next_cursor,
});
const ids = ({ items }: { items: readonly { id: number }[] }) => items.map(({ id }) => id);

describe('a list whose newest page moves on', () => {
  it('is the newest page alone until an older one was read', () => {
    expect(joinPages(page(9, 7, 'a'), undefined)).toEqual(page(9, 7, 'a'));
  });

  it('keeps what fell off the newest page since, once and in its order', () => {
    const joined = joinPages(page(11, 9, 'b'), page(9, 4, 'c'));
    expect(ids(joined)).toEqual([11, 10, 9, 8, 7, 6, 5, 4]);
    expect(joined.next_cursor).toBe('c');
  });

  it('shows what an entry is by now', () => {
    const joined = joinPages(
      { items: [{ id: 2, state: 'ended' }], next_cursor: null },
      { items: [{ id: 2, state: 'running' }], next_cursor: null },
    );
    expect(joined.items).toEqual([{ id: 2, state: 'ended' }]);
  });

  it('begins anew when more came than one page holds', () => {
    expect(joinPages(page(20, 18, 'd'), page(9, 4, 'c'))).toEqual(page(20, 18, 'd'));
  });
});
