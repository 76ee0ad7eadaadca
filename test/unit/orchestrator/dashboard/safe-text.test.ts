import { describe, expect, it } from 'vitest';
import {
  createOutputCleaner,
  safeLine,
  safeLines,
} from '../../../../orchestrator/dashboard/model/safe-text.ts';

const ESC = '\u001b';
const BEL = '\u0007';

/** The text that comes out when it goes in piece by piece. */
const clean = (...pieces: string[]): string => {
  const cleaner = createOutputCleaner();
  return pieces.map(cleaner).join('');
};

describe('safeLine', () => {
  it('leaves ordinary text of any script alone', () => {
    const text = 'web-1 · größe 日本 👩‍💻 שלום';
    expect(safeLine(text)).toBe(text);
  });

  it('shows controls, direction marks and invisible characters by name', () => {
    expect(safeLine('a\u0000b\nc\u007f')).toBe('a‹NUL›b‹LF›c‹DEL›');
    expect(safeLine('\u202egnp.exe\u200b\u2066\ufeff')).toBe('‹U+202E›gnp.exe‹U+200B›‹U+2066›‹U+FEFF›');
    expect(safeLine('\u009b31m')).toBe('‹U+009B›31m');
  });

  it('shows tag characters, which lie beyond the basic plane', () => {
    expect(safeLine('x\u{e0041}y')).toBe('x‹U+E0041›y');
  });
});

describe('safeLines', () => {
  it('keeps line ends and tabs and shows the rest', () => {
    expect(safeLines('a\r\n\tb\u001b[0m')).toBe('a\n\tb‹ESC›[0m');
  });
});

describe('createOutputCleaner', () => {
  it('leaves out colours, cursor movements and window titles', () => {
    expect(
      clean(`${ESC}[1;31mred${ESC}[0m ${ESC}[2Kx${ESC}]0;title${BEL}y${ESC}]8;;http://a${ESC}\\z${ESC}(B!`),
    ).toBe('red xyz!');
  });

  it('gives the same text wherever the stream is cut', () => {
    const text = `a${ESC}[38;5;196mb${ESC}]2;t${ESC}\\c\r\nd\re${ESC}[0m\u202ef`;
    const whole = clean(text);
    for (let at = 0; at <= text.length; at++) expect(clean(text.slice(0, at), text.slice(at))).toBe(whole);
    expect(clean(...text)).toBe(whole);
  });

  it('ends a line visibly where a carriage return would let it be overwritten', () => {
    expect(clean('10%\r20%\r\ndone')).toBe('10%‹CR›\n20%\ndone');
  });

  it('goes back to text at the end of the line when a sequence never ends', () => {
    expect(clean(`${ESC}]0;never ended\nvisible`)).toBe('\nvisible');
    expect(clean(`${ESC}P${'x'.repeat(10_000)}`).length).toBeGreaterThan(5000);
    expect(clean(`${ESC}[${'1;'.repeat(100)}mtext`)).toContain('mtext');
  });

  it('reads a character that cannot belong to a sequence as text', () => {
    expect(clean(`${ESC}[3é`)).toBe('é');
    expect(clean(`${ESC}${ESC}[0mx`)).toBe('x');
  });

  it('keeps markup as the text that it is', () => {
    expect(clean('<img src=x onerror=alert(1)>')).toBe('<img src=x onerror=alert(1)>');
  });
});
