import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { place } from '../../../../orchestrator/jobs/output-position.ts';

describe('a piece of output', () => {
  it.each([
    [
      'fits',
      { received: 4, kept: 4 },
      { offset: 4, length: 3 },
      100,
      { kind: 'keep', skip: 0, take: 3, at: 4 },
    ],
    [
      'overlaps',
      { received: 4, kept: 4 },
      { offset: 2, length: 5 },
      100,
      { kind: 'keep', skip: 2, take: 3, at: 4 },
    ],
    ['was seen', { received: 4, kept: 4 }, { offset: 0, length: 4 }, 100, { kind: 'drop' }],
    ['comes too early', { received: 4, kept: 4 }, { offset: 5, length: 1 }, 100, { kind: 'gap' }],
    [
      'meets the cap',
      { received: 4, kept: 4 },
      { offset: 4, length: 9 },
      2,
      { kind: 'keep', skip: 0, take: 2, at: 4 },
    ],
    ['is past the cap', { received: 4, kept: 4 }, { offset: 9, length: 9 }, 0, { kind: 'drop' }],
  ] as const)('that %s', (_name, position, piece, room, placement) => {
    expect(place(position, piece, room)).toEqual(placement);
  });

  it('puts a stream together from pieces that come in any number and overlap', () => {
    const pieces = fc.array(fc.record({ offset: fc.nat(40), length: fc.integer({ min: 1, max: 20 }) }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(pieces, (all) => {
        const source = Uint8Array.from({ length: 64 }, (_, i) => i);
        const position = { received: 0, kept: 0 };
        const kept: number[] = [];
        for (const { offset, length } of all) {
          const data = source.subarray(offset, offset + length);
          const placement = place(position, { offset, length: data.length }, 1000);
          if (placement.kind !== 'keep') continue;
          expect(placement.at).toBe(kept.length);
          kept.push(...data.subarray(placement.skip, placement.skip + placement.take));
          position.received = offset + data.length;
          position.kept += placement.take;
        }
        expect(kept).toEqual([...source.subarray(0, kept.length)]);
      }),
    );
  });
});
