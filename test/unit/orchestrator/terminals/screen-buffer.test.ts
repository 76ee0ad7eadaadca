import { expect, it } from 'vitest';
import { ScreenBuffer } from '../../../../orchestrator/terminals/screen-buffer.ts';

it('gives what came after an offset, or all there is', () => {
  const buffer = new ScreenBuffer(100);
  buffer.push(Buffer.from('abc'));
  buffer.push(Buffer.from('def'));
  expect(buffer.from(4)).toEqual({ offset: 4, bytes: Buffer.from('ef') });
  expect(buffer.from(6)).toEqual({ offset: 6, bytes: Buffer.alloc(0) });
  expect(buffer.from(-1)).toEqual({ offset: 0, bytes: Buffer.from('abcdef') });
  expect(buffer.from(99)).toEqual({ offset: 0, bytes: Buffer.from('abcdef') });
});

it('forgets the oldest, and never less than its limit', () => {
  const buffer = new ScreenBuffer(4);
  for (const text of ['ab', 'cd', 'ef', 'gh']) buffer.push(Buffer.from(text));
  expect(buffer.from(0)).toEqual({ offset: 4, bytes: Buffer.from('efgh') });
  expect(buffer.end).toBe(8);
});
