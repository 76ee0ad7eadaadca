import { expect, it } from 'vitest';
import { createTerminalFilter } from '../../../../orchestrator/cli/terminal-filter.ts';

const all = (text: string) => createTerminalFilter()(text);

it('leaves what only shows', () => {
  const text = 'a\u001b[31mred\u001b[0m\u001b[2J\u001b[10;3Hb\u001b7\u001b8\r\n\t\u001b(B';
  expect(all(text)).toBe(text);
});

it('leaves out titles, links, the clipboard and other strings', () => {
  expect(all('a\u001b]0;HACKED\u0007b\u001b]52;c;eA==\u001b\\c\u001b]8;;https://x\u001b\\d')).toBe('abcd');
  expect(all('a\u001bP$q"p\u001b\\b\u001b_x\u001b\\c')).toBe('abc');
});

it('leaves out what the terminal would answer', () => {
  expect(all('a\u001b[cb\u001b[>cc\u001b[6nd\u001b[21te')).toBe('abcde');
});

it('does the same wherever the pieces cut', () => {
  const text = 'a\u001b]52;c;eA==\u001b\\b\u001b[31mc\u001b[6nd';
  const filter = createTerminalFilter();
  expect([...text].map((character) => filter(character)).join('')).toBe('ab\u001b[31mcd');
});
