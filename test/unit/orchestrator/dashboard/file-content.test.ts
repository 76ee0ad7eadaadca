import { describe, expect, it } from 'vitest';
import {
  contentOf,
  fromEditor,
  hexOf,
  lineEndOf,
  toEditor,
} from '../../../../orchestrator/dashboard/model/file-content.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('what a file holds', () => {
  it('is text when it is UTF-8, also where it is cut within a character', () => {
    expect(contentOf(bytes('grüße\n'), false)).toEqual({ kind: 'text', text: 'grüße\n' });
    expect(contentOf(bytes('grü').subarray(0, 3), true)).toEqual({ kind: 'text', text: 'gr' });
    expect(contentOf(bytes('\uFEFFx'), false)).toEqual({ kind: 'text', text: '\uFEFFx' });
  });

  it('is shown as bytes when it is not', () => {
    expect(contentOf(bytes('grü').subarray(0, 3), false).kind).toBe('binary');
    expect(contentOf(Uint8Array.of(0x41, 0, 0x42), false)).toEqual({
      kind: 'binary',
      hex: `00000000  41 00 42${' '.repeat(15)}  ${' '.repeat(23)}  A.B`,
    });
    expect(hexOf(new Uint8Array(40)).split('\n')).toHaveLength(3);
  });

  it('keeps the line ends that it had', () => {
    const windows = 'a\r\nb\r\n';
    expect(lineEndOf(windows)).toBe('\r\n');
    expect(fromEditor(toEditor(windows), lineEndOf(windows))).toBe(windows);
    expect(lineEndOf('a\r\nb\n')).toBe('\n');
  });
});
