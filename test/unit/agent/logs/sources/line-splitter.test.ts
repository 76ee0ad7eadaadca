import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from '../../../../../agent/logs/sources/line-splitter.ts';

function split(bytes: Buffer, cuts: readonly number[], maxLine?: number): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line), maxLine);
  let from = 0;
  for (const cut of [...cuts, bytes.length].filter((at) => at <= bytes.length).sort((a, b) => a - b)) {
    // A buffer that is used again, as a file's reader does.
    const piece = Buffer.from(bytes.subarray(from, cut));
    splitter.push(piece);
    piece.fill(0x21);
    from = cut;
  }
  splitter.end();
  return lines;
}

describe('lines of bytes', () => {
  it('gives the same lines however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n\ufeff]/g, ' '))),
        fc.array(fc.nat(400)),
        fc.constantFrom('\n', '\r\n'),
        (lines, cuts, end) => {
          const bytes = Buffer.from(lines.map((line) => `${line}${end}`).join(''));
          expect(split(bytes, cuts)).toEqual(lines);
        },
      ),
    );
  });

  it('takes a last line without its end', () => {
    expect(split(Buffer.from('a\nb'), [])).toEqual(['a', 'b']);
    expect(split(Buffer.from('a\n\n'), [])).toEqual(['a', '']);
    expect(split(Buffer.from(''), [])).toEqual([]);
  });

  it('cuts a long line, wherever the pieces end, and goes on behind it', () => {
    const bytes = Buffer.from(`${'x'.repeat(1000)}\r\nafter\n`);
    for (const cuts of [[], [5], [9, 10, 11], [999, 1000, 1001]])
      expect(split(bytes, cuts, 10)).toEqual(['x'.repeat(10), 'after']);
  });

  it('keeps NUL, replaces what is no UTF-8, and drops the mark of UTF-8 at the beginning', () => {
    const bytes = Buffer.concat([Buffer.from('\ufeffa\0b\n'), Buffer.from([0xff, 0x41, 10])]);
    expect(split(bytes, [2])).toEqual(['a\0b', '\ufffdA']);
  });
});
