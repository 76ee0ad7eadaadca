import { describe, expect, it } from 'vitest';
import { progressBeat } from '../../../../../agent/http/mcp/progress.ts';
import type { ProgressReport } from '../../../../../agent/tools/tool.ts';
import { createFakeClock } from '../../../../fakes/fake-clock.ts';

function start() {
  const clock = createFakeClock();
  const sent: ProgressReport[] = [];
  const beat = progressBeat({ clock, send: (report) => sent.push(report), describe: (s) => `${s} s` });
  return { clock, sent, beat };
}

describe('progress', () => {
  it('shows a silent call alive after 2 s and then every 10 s, with growing numbers', async () => {
    const { clock, sent, beat } = start();
    await clock.advance(2000);
    await clock.advance(10_000);
    await clock.advance(10_000);
    expect(sent).toEqual([
      { progress: 2, message: '2 s' },
      { progress: 12, message: '12 s' },
      { progress: 22, message: '22 s' },
    ]);
    beat.end();
  });

  it('sends nothing after the end, and leaves no timer', async () => {
    const { clock, sent, beat } = start();
    beat.end();
    beat.report({ progress: 1, message: 'late' });
    await clock.advance(60_000);
    expect(sent).toEqual([]);
    expect(clock.armed()).toEqual([]);
  });

  it('passes on what the tool reports, but never a smaller number and not too often', async () => {
    const { clock, sent, beat } = start();
    beat.report({ progress: 5, total: 10, message: 'half' });
    beat.report({ progress: 6, total: 10, message: 'too soon' });
    await clock.advance(300);
    beat.report({ progress: 4, total: 10, message: 'back' });
    expect(sent.map(({ message }) => message)).toEqual(['half', 'back']);
    expect(sent[1]?.progress).toBeGreaterThan(5);
    beat.end();
  });
});
