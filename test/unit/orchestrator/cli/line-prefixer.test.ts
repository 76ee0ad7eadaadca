import { describe, expect, it } from 'vitest';
import { createLinePrefixer } from '../../../../orchestrator/cli/line-prefixer.ts';

describe('lines of several machines', () => {
  it('carry their machine’s name and leave whole', () => {
    const lines = createLinePrefixer();
    expect(lines.push('a', 'stdout', Buffer.from('one\ntw')).toString()).toBe('a: one\n');
    expect(lines.push('b', 'stdout', Buffer.from('B\n')).toString()).toBe('b: B\n');
    expect(lines.push('a', 'stdout', Buffer.from('o\n\n')).toString()).toBe('a: two\na: \n');
    expect(lines.end('a', 'stdout').toString()).toBe('');
  });

  it('keep streams apart and end an unfinished line', () => {
    const lines = createLinePrefixer();
    expect(lines.push('a', 'stdout', Buffer.from('out')).length).toBe(0);
    expect(lines.push('a', 'stderr', Buffer.from('err\n')).toString()).toBe('a: err\n');
    expect(lines.end('a', 'stdout').toString()).toBe('a: out\n');
    expect(lines.end('a', 'stdout').length).toBe(0);
  });

  it('keep bytes that are no text', () => {
    const lines = createLinePrefixer();
    const printed = lines.push('a', 'stdout', Buffer.from([255, 0, 10]));
    expect([...printed]).toEqual([...Buffer.from('a: '), 255, 0, 10]);
  });

  it('do not grow without end', () => {
    const lines = createLinePrefixer();
    expect(lines.push('a', 'stdout', Buffer.alloc(70_000, 'x')).length).toBe(70_004);
  });
});
