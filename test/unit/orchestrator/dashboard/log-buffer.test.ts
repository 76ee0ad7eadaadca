import { describe, expect, it } from 'vitest';
import {
  addLines,
  EMPTY_LOG,
  filterLines,
  logSourceOf,
  MAX_LOG_LINES,
} from '../../../../orchestrator/dashboard/model/log-buffer.ts';

describe('the lines of a log', () => {
  it('are bounded, and what went is counted', () => {
    const many = Array.from({ length: MAX_LOG_LINES }, (_, n) => `old ${n}`);
    const buffer = addLines(addLines(EMPTY_LOG, many), ['new']);
    expect(buffer.lines).toHaveLength(MAX_LOG_LINES);
    expect(buffer).toMatchObject({ dropped: 1, next: MAX_LOG_LINES + 1 });
    expect(new Set(buffer.lines.map(({ id }) => id)).size).toBe(MAX_LOG_LINES);
  });

  it('are filtered by words that must and must not occur; remarks stay', () => {
    const { lines } = addLines(addLines(EMPTY_LOG, ['GET /a 200', 'GET /b 500']), ['rotated'], true);
    expect(filterLines(lines, 'get -200').map(({ text }) => text)).toEqual(['GET /b 500', 'rotated']);
    expect(filterLines(lines, ' - ')).toBe(lines);
  });

  it.each([
    ['/var/log/x', { log_path: '/var/log/x' }],
    ['ssh.service', { unit: 'ssh.service' }],
    ['--flag', undefined],
    ['', undefined],
  ])('come from %s', (text, source) => expect(logSourceOf(text)).toEqual(source));
});
