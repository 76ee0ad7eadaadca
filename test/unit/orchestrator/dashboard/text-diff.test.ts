import { expect, it } from 'vitest';
import { diffLines } from '../../../../orchestrator/dashboard/model/text-diff.ts';

const shown = (before: string, after: string) =>
  diffLines(before, after).map(({ kind, text }) => `${kind} ${text}`);

it('shows a change with the lines around it', () => {
  const lines = Array.from({ length: 30 }, (_, n) => `line ${n}`);
  const changed = lines.with(20, 'other');
  expect(shown(lines.join('\n'), changed.join('\n'))).toEqual([
    'gap line 18',
    'same line 17',
    'same line 18',
    'same line 19',
    'removed line 20',
    'added other',
    'same line 21',
    'same line 22',
    'same line 23',
  ]);
});

it('tells a line end that is added at the end', () => {
  expect(shown('a', 'a\n')).toContain('added a');
  expect(shown('a\n', 'a\n')).toEqual([]);
});
