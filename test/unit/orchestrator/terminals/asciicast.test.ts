import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AsciicastEvents, asciicastHeader } from '../../../../orchestrator/terminals/asciicast.ts';

it('writes the header that players expect', () => {
  const line = asciicastHeader({ rows: 24, cols: 80, atMs: 1_700_000_000_500, title: 'vm', term: 'xterm' });
  expect(line).toBe(
    '{"version":2,"width":80,"height":24,"timestamp":1700000000,"title":"vm","env":{"TERM":"xterm"}}\n',
  );
});

it('holds the text as it was, wherever the pieces cut its characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat(20)), (text, cuts) => {
      const events = new AsciicastEvents();
      let rest = Buffer.from(text);
      let lines = '';
      for (const cut of cuts) {
        lines += events.output(1, rest.subarray(0, cut));
        rest = rest.subarray(cut);
      }
      lines += events.output(1, rest) + events.end(2);
      const read = lines
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => (JSON.parse(line) as [number, string, string])[2]);
      expect(read.join('')).toBe(Buffer.from(text).toString());
    }),
  );
});

it('keeps bytes that are no text from breaking the file, and sizes as they are written', () => {
  const events = new AsciicastEvents();
  expect(events.output(1500, Buffer.from([0xff, 0x1b, 0x5b, 0x6d]))).toBe('[1.5,"o","�\\u001b[m"]\n');
  expect(events.resize(2000, { rows: 10, cols: 20 })).toBe('[2,"r","20x10"]\n');
});
