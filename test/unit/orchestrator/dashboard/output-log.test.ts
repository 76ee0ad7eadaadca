import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  appendOutput,
  createOutputLog,
  limitOutput,
} from '../../../../orchestrator/dashboard/model/output-log.ts';

const textOf = (log: ReturnType<typeof createOutputLog>): string =>
  log.blocks.map(({ text }) => text).join('');

describe('OutputLog', () => {
  it('joins what follows on the same stream and begins a block where the stream changes', () => {
    const log = createOutputLog(1000);
    appendOutput(log, 'stdout', 'a');
    appendOutput(log, 'stdout', 'b\n');
    appendOutput(log, 'stderr', 'c\n');
    appendOutput(log, 'stdout', 'd\n');
    expect(log.blocks.map(({ stream, text }) => [stream, text])).toEqual([
      ['stdout', 'ab\n'],
      ['stderr', 'c\n'],
      ['stdout', 'd\n'],
    ]);
  });

  it('does not touch a block once another follows it, so that it is drawn once', () => {
    const log = createOutputLog(100_000);
    appendOutput(log, 'stdout', 'one\n');
    appendOutput(log, 'stderr', 'two\n');
    const [first] = log.blocks;
    appendOutput(log, 'stderr', 'three\n');
    expect(log.blocks[0]).toBe(first);
  });

  it('holds at most its limit and one block, and knows how much it let go', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.constantFrom('stdout' as const, 'stderr' as const),
            fc.integer({ min: 1, max: 40_000 }),
          ),
        ),
        (pieces) => {
          const log = createOutputLog(20_000);
          let written = '';
          for (const [stream, length] of pieces) {
            const piece = `${'x'.repeat(length - 1)}\n`;
            written += piece;
            appendOutput(log, stream, piece);
          }
          expect(textOf(log).length).toBe(log.held);
          expect(log.held).toBeLessThanOrEqual(20_000);
          expect(log.held + log.cut).toBe(written.length);
          expect(written.endsWith(textOf(log))).toBe(true);
        },
      ),
    );
  });

  it('cuts blocks at line ends', () => {
    const log = createOutputLog(100_000);
    appendOutput(log, 'stdout', 'a line of text\n'.repeat(2000));
    expect(log.blocks.length).toBeGreaterThan(2);
    for (const { text } of log.blocks) expect(text.endsWith('\n')).toBe(true);
  });

  it('never parts a character that takes two units', () => {
    const log = createOutputLog(100_000);
    appendOutput(log, 'stdout', `x${'😀'.repeat(10_000)}`);
    for (const { text } of log.blocks) expect(text.isWellFormed()).toBe(true);
  });

  it('lets go of more when its limit is lowered', () => {
    const log = createOutputLog(100_000);
    appendOutput(log, 'stdout', 'a line of text\n'.repeat(4000));
    limitOutput(log, 10_000);
    expect(log.held).toBeLessThanOrEqual(10_000);
    expect(log.held + log.cut).toBe(60_000);
  });
});
