import { describe, expect, it } from 'vitest';
import { levelOfWords } from '../../../../../agent/logs/engine/level.ts';
import { readLog } from './read-log.ts';

describe('a level guessed from words', () => {
  it.each([
    'finished without errors',
    'finished without any error',
    '0 errors',
    'scan done, 0 files failed',
    'no error found',
    'last error: none',
    'errors=0 took=5',
    'ok=3 failed=0',
    'exception handling is on',
    'loaded /lib/error.js',
    'loaded error.js',
    'stopped, fatal=false',
    '{"errors": 0, "n": 1}',
  ])('is none for: %s', (text) => {
    expect(levelOfWords(text)).toBe('unknown');
  });

  it.each([
    ['10 errors', 'error'],
    ['errors=5 failed=0', 'error'],
    ['error: no such file', 'error'],
    ['error: 0 rows where 3 were due', 'error'],
    ['/lib/error.js failed', 'error'],
    ['no errors before, now it crashed', 'error'],
    ['ERROR without errors', 'error'],
    ['fatal: no repository', 'fatal'],
  ])('is one for: %s', (text, level) => {
    expect(levelOfWords(text)).toBe(level);
  });

  it('depends on the number where messages differ in it alone', () => {
    const { events } = readLog([
      'job a ended with 0 errors',
      'job a ended with 3 errors',
      'job a ended with 0 errors',
    ]);
    expect(events.map(({ level }) => level)).toEqual(['unknown', 'error', 'unknown']);
    const lines = ['job ended errors=2', 'job ended errors=0'];
    expect(readLog(lines).events.map(({ level }) => level)).toEqual(['error', 'unknown']);
  });
});
