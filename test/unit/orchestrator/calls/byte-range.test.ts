import { expect, it } from 'vitest';
import { parseByteRange } from '../../../../orchestrator/calls/byte-range.ts';

it.each([
  ['bytes=0-99', { from: 0, to: 100 }],
  ['bytes=5-', { from: 5, to: undefined }],
  ['bytes=-20', { from: -20, to: undefined }],
  ['bytes= 1 - 2', { from: 1, to: 3 }],
])('reads %s', (header, range) => expect(parseByteRange(header)).toEqual(range));

it.each([
  undefined,
  '',
  'bytes=',
  'bytes=-',
  'bytes=-0',
  'bytes=9-5',
  'bytes=0-1,3-4',
  'lines=1-2',
  'bytes=a-b',
])('answers %s with the whole file', (header) => expect(parseByteRange(header)).toBeUndefined());
