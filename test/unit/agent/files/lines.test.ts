import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bufferSource } from '../../../../agent/files/byte-source.ts';
import { countLines, eachLine, lastLines, skipLines } from '../../../../agent/files/lines.ts';
import { readWindow, wholeCharacters } from '../../../../agent/files/text-window.ts';

const signal = new AbortController().signal;
const source = (text: string) => bufferSource(Buffer.from(text));
const linesOf = (text: string) => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
const anyText = fc
  .array(fc.constantFrom('a', 'bc', '\n', '\n\n', 'é'), { maxLength: 30 })
  .map((p) => p.join(''));

describe('finding lines', () => {
  it('counts a last line without an end', async () => {
    for (const [text, count] of [
      ['', 0],
      ['a', 1],
      ['a\n', 1],
      ['a\nb', 2],
      ['\n\n', 2],
    ] as const)
      expect(await countLines(source(text), signal)).toBe(count);
  });

  it('goes to any line from the beginning and from the end', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.nat(12), async (text, n) => {
        const lines = linesOf(text);
        const forward = await skipLines(source(text), n, signal);
        expect(forward.skipped).toBe(Math.min(n, lines.length));
        expect(Buffer.from(text).subarray(forward.at).toString()).toBe(lines.slice(n).join(''));
        const back = await lastLines(source(text), n, signal);
        expect(back.lines).toBe(Math.min(n, lines.length));
        expect(Buffer.from(text).subarray(back.at).toString()).toBe(n === 0 ? '' : lines.slice(-n).join(''));
      }),
    );
  });

  it('gives each line once, whatever pieces the file comes in', async () => {
    const text = `${'x'.repeat(300_000)}\r\n${'y\n'.repeat(200_000)}end`;
    const seen: string[] = [];
    const bytes = source(text);
    await eachLine(bytes, { from: 0, to: bytes.size, maxLine: 100 }, signal, (line, _at, whole) => {
      seen.push(whole ? line.toString() : `${line.length}…`);
      return undefined;
    });
    expect(seen).toHaveLength(200_002);
    expect(seen.slice(0, 2)).toEqual(['100…', 'y']);
    expect(seen.at(-1)).toBe('end');
  });
});

describe('a window of text', () => {
  const window = (text: string, budget: number, max = Number.POSITIVE_INFINITY) =>
    readWindow(source(text), { start: 0, unit: 'lines', max, encoding: 'utf-8', budget });

  it('holds whole lines only', async () => {
    expect(await window('aaaa\nbbbb\ncccc\n', 14)).toMatchObject({
      content: 'aaaa\nbbbb\n',
      count: 2,
      lineCut: false,
    });
  });

  it('cuts a line that does not fit, between characters', async () => {
    const got = await window('€'.repeat(100), 20);
    expect(got).toMatchObject({ content: '€'.repeat(6), end: 18, lineCut: true, invalidUtf8: false });
  });

  it('keeps to its size as JSON, also for control characters', async () => {
    const got = await window('\u0001'.repeat(50_000), 24_576);
    expect(Buffer.byteLength(JSON.stringify(got.content))).toBeLessThanOrEqual(24_576);
    expect(got.end).toBeGreaterThan(3000);
  });

  it('says when bytes are no UTF-8, and is not fooled by a replacement character that is there', async () => {
    const bad = bufferSource(Buffer.from([0x61, 0xff, 0x62]));
    const options = { start: 0, unit: 'lines', max: 9, encoding: 'utf-8', budget: 100 } as const;
    expect(await readWindow(bad, options)).toMatchObject({ content: 'a\uFFFDb', invalidUtf8: true, end: 3 });
    expect(await readWindow(source('a\uFFFDb'), options)).toMatchObject({ invalidUtf8: false });
  });

  it('read one after the other gives the file', async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 4, max: 40 }), async (text, room) => {
        let all = '';
        for (let start = 0; start < Buffer.byteLength(text); ) {
          const got = await readWindow(source(text), {
            start,
            unit: 'bytes',
            max: room,
            encoding: 'utf-8',
            budget: 100,
          });
          expect(got.end).toBeGreaterThan(start);
          all += got.content;
          start = got.end;
        }
        expect(all).toBe(text);
      }),
    );
  });

  it('leaves out only characters that are cut', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }), fc.nat(20), (text, cut) => {
        const bytes = Buffer.from(text).subarray(0, Math.max(1, cut));
        const kept = wholeCharacters(bytes);
        expect(bytes.length - kept.length).toBeLessThan(4);
        if (kept.length > 3) expect(kept.toString()).not.toContain('\uFFFD');
      }),
    );
  });
});
