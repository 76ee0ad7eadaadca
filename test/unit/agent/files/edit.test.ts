import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyEdit } from '../../../../agent/files/edit.ts';
import { unifiedDiff } from '../../../../agent/files/unified-diff.ts';

const edit = (text: string | Buffer, oldText: string, newText: string, replaceAll = false) =>
  applyEdit(Buffer.from(text as string), { path: '/f', oldText, newText, replaceAll });
const changedTo = (...args: Parameters<typeof edit>) => edit(...args).bytes.toString();

/** Applies a unified diff as patch(1) does, exactly. */
function patch(before: string, diff: string): string {
  const lines = before === '' ? [] : before.split('\n').map((line) => `${line}\n`);
  if (before.endsWith('\n')) lines.pop();
  else if (lines.length > 0) lines.push((lines.pop() ?? '').slice(0, -1));
  const out: string[] = [];
  let at = 0;
  const parts = diff.split('\n').slice(2, -1);
  for (const [index, line] of parts.entries()) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+\d+(?:,\d+)? @@$/.exec(line);
    if (hunk !== null) {
      const from = hunk[2] === '0' ? Number(hunk[1]) : Number(hunk[1]) - 1;
      out.push(...lines.slice(at, from));
      at = from;
      continue;
    }
    if (line.startsWith('\\')) continue;
    const text = `${line.slice(1)}${parts[index + 1]?.startsWith('\\') ? '' : '\n'}`;
    if (line.startsWith('+')) out.push(text);
    else {
      if (lines[at] !== text)
        throw new Error(`line ${at}: ${JSON.stringify(lines[at])} is not ${JSON.stringify(text)}`);
      at++;
      if (line.startsWith(' ')) out.push(text);
    }
  }
  return [...out, ...lines.slice(at)].join('');
}

const word = fc.constantFrom('a', 'b', 'ab', 'é', '€', '😀', ' ', 'x');
const line = fc.array(word, { maxLength: 4 }).map((words) => words.join(''));
const text = (end: string) => fc.array(line, { maxLength: 12 }).map((lines) => lines.join(end));

describe('[files-4] an edit', () => {
  it('replaces what occurs once', () => {
    expect(changedTo('one two three', 'two', '2')).toBe('one 2 three');
  });

  it('refuses what is not there, saying where its first line is in another spacing', () => {
    expect(() => edit('a\n\tfoo(1)\n', '  foo(1)\n  bar', 'x')).toThrow(
      expect.objectContaining({ code: 'not_found', hint: expect.stringContaining('Line 2') }),
    );
  });

  it('refuses what occurs several times, with the lines, unless all are meant', () => {
    expect(() => edit('x\ny\nx\n', 'x', 'z')).toThrow(/2 times \(lines 1, 3\)/);
    expect(changedTo('x\ny\nx\n', 'x', 'z', true)).toBe('z\ny\nz\n');
  });

  it('refuses a change that is none', () => {
    expect(() => edit('x', 'x', 'x')).toThrow(/nothing to change/);
  });

  it('takes text with plain line ends for a file with CRLF, and keeps CRLF', () => {
    expect(changedTo('a\r\nb\r\nc\r\n', 'a\nb', 'A\nB\nBB')).toBe('A\r\nB\r\nBB\r\nc\r\n');
    expect(changedTo('a\r\nb\r\n', 'b', 'b\nc')).toBe('a\r\nb\r\nc\r\n');
  });

  it('finds its place in a file of mixed line ends', () => {
    expect(changedTo('a\nb\r\nc\r\nd\n', 'b\nc', 'B\nC')).toBe('a\nB\r\nC\r\nd\n');
  });

  it('leaves bytes that are no text as they are', () => {
    const bytes = Buffer.from([0xff, 0xfe, 0x61, 0x00, 0xc3]);
    expect(edit(bytes, 'a', 'bb').bytes).toEqual(Buffer.from([0xff, 0xfe, 0x62, 0x62, 0x00, 0xc3]));
  });

  it('never cuts what comes before or after', () => {
    fc.assert(
      fc.property(text('\n'), line, line, text('\n'), (head, oldText, newText, tail) => {
        fc.pre(oldText !== '' && oldText !== newText);
        const before = `${head}${oldText}${tail}`;
        fc.pre(
          before.indexOf(oldText) === head.length &&
            before.indexOf(oldText, head.length + oldText.length) < 0,
        );
        expect(changedTo(before, oldText, newText)).toBe(`${head}${newText}${tail}`);
      }),
    );
  });

  it('replaces all as split and join do', () => {
    fc.assert(
      fc.property(text('\n'), word, line, (before, oldText, newText) => {
        fc.pre(before.includes(oldText) && oldText !== newText);
        expect(changedTo(before, oldText, newText, true)).toBe(before.split(oldText).join(newText));
      }),
    );
  });

  it('keeps CRLF everywhere, whatever the new text holds', () => {
    fc.assert(
      fc.property(text('\r\n'), text('\n'), text('\r\n'), (head, newText, tail) => {
        fc.pre(newText !== 'MARK');
        const edited = changedTo(`${head}\r\nMARK\r\n${tail}`, 'MARK', newText);
        expect(edited.replaceAll('\r\n', '')).not.toContain('\n');
        expect(edited.replaceAll('\r\n', '\n')).toBe(`${head}\n${newText}\n${tail}`.replaceAll('\r\n', '\n'));
      }),
    );
  });
});

describe('the diff of an edit', () => {
  it('reads as diff -u writes it', () => {
    const before = Buffer.from('1\n2\n3\n4\nfive\n6\n7\n8\n9\n');
    const made = applyEdit(before, { path: '/f', oldText: 'five', newText: '5\n5a', replaceAll: false });
    expect(unifiedDiff('/f', before, made, 10_000).diff).toBe(
      '--- /f\n+++ /f\n@@ -2,7 +2,8 @@\n 2\n 3\n 4\n-five\n+5\n+5a\n 6\n 7\n 8\n',
    );
  });

  it('makes the new file of the old one', () => {
    fc.assert(
      fc.property(text('\n'), fc.oneof(word, fc.constant('\n')), text('\n'), (before, oldText, newText) => {
        fc.pre(before.includes(oldText) && oldText !== newText);
        const bytes = Buffer.from(before);
        const made = applyEdit(bytes, { path: '/f', oldText, newText, replaceAll: true });
        const { diff, truncated } = unifiedDiff('/f', bytes, made, 1e6);
        expect(truncated).toBe(false);
        expect(patch(before, diff)).toBe(made.bytes.toString());
      }),
      { numRuns: 500 },
    );
  });

  it('is cut where it is long', () => {
    const before = Buffer.from('a\n'.repeat(10_000));
    const made = applyEdit(before, { path: '/f', oldText: 'a', newText: 'b', replaceAll: true });
    const { diff, truncated } = unifiedDiff('/f', before, made, 1000);
    expect(truncated).toBe(true);
    expect(diff.length).toBeLessThan(1100);
  });
});
