import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { linesOf } from '../../../protocol/lines.ts';

async function read(...chunks: (string | Buffer)[]): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of linesOf(Readable.from(chunks))) lines.push(line);
  return lines;
}

it('ends lines at LF and CR LF alone, wherever the text is cut', async () => {
  expect(await read('a\nb\r', '\nc', 'd\n\ne')).toEqual(['a', 'b', 'cd', '', 'e']);
  expect(await read('{"name":"x\u2028y\u2029z\u0085"}\n')).toEqual(['{"name":"x\u2028y\u2029z\u0085"}']);
  expect(await read()).toEqual([]);
});

it('puts characters together that were cut in two', async () => {
  const bytes = Buffer.from('ä€😀\n');
  expect(await read(...[...bytes].map((byte) => Buffer.from([byte])))).toEqual(['ä€😀']);
});
