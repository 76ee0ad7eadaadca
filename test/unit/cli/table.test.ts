import { describe, expect, it } from 'vitest';
import { humanBytes, table, visible } from '../../../cli/table.ts';

describe('a table', () => {
  it('aligns its columns and ends no line with spaces', () => {
    const text = table(
      [{ title: 'N', right: true }, { title: 'NAME' }, { title: 'NOTE' }],
      [
        ['1', 'a', ''],
        ['100', 'longer', 'x'],
      ],
    );
    expect(text).toBe('  N  NAME    NOTE\n  1  a\n100  longer  x\n');
  });

  it('shows sizes as people write them', () => {
    expect([0, 1023, 1536, 150 * 1024, 2 * 1024 ** 3].map(humanBytes)).toEqual([
      '0B',
      '1023B',
      '1.5K',
      '150K',
      '2.0G',
    ]);
  });

  it('shows what would move the cursor or turn the text', () => {
    expect(visible('a\x1b[31m\u202e\tb')).toBe('a\\u001b[31m\\u202e\tb');
  });
});
