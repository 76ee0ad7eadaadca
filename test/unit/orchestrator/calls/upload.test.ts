import { describe, expect, it } from 'vitest';
import { inPieces } from '../../../../orchestrator/calls/upload.ts';

async function* stream(sizes: readonly number[], breaks = false): AsyncGenerator<Uint8Array, void, void> {
  let value = 0;
  for (const size of sizes) yield Uint8Array.from({ length: size }, () => value++ % 251);
  if (breaks) throw new Error('ECONNRESET');
}
const piecesOf = async (from: AsyncIterable<Uint8Array>, size: number) => {
  const pieces: Buffer[] = [];
  for await (const piece of inPieces(from, size)) pieces.push(Buffer.from(piece));
  return pieces;
};

describe('a stream in pieces', () => {
  it.each([[[10]], [[3, 3, 3, 1]], [[1, 9]], [[25, 1]]])('cuts chunks of %j alike', async (sizes) => {
    const all = sizes.reduce((sum, size) => sum + size, 0);
    const pieces = await piecesOf(stream(sizes), 4);
    expect(pieces.slice(0, -1).every(({ length }) => length === 4)).toBe(true);
    const [whole = Buffer.alloc(0)] = await piecesOf(stream([all]), all);
    expect(Buffer.concat(pieces).equals(whole)).toBe(true);
  });

  it('gives what had come of a stream that broke', async () => {
    expect((await piecesOf(stream([6], true), 4)).map(({ length }) => length)).toEqual([4, 2]);
  });

  it('is nothing for an empty one', async () => expect(await piecesOf(stream([]), 4)).toEqual([]));
});
