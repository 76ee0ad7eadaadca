import { describe, expect, it } from 'vitest';
import { addSample, emptyBlock, mergeBlocks, rollUp } from '../../../../orchestrator/metrics/block.ts';

const sample = (cpu_used: number) => ({
  uptime_s: 1,
  load1: 0.123456,
  memory_used: 0.5,
  agent_rss_bytes: 1000.4,
  cpu_used,
});

describe('a block of metrics', () => {
  it('leaves steps empty in which nothing was reported, and series of which nothing is known out', () => {
    const block = emptyBlock();
    addSample(block, 0, sample(0.1));
    addSample(block, 3, sample(0.25));
    expect(block.mean.cpu_used).toEqual([0.1, null, null, 0.25]);
    expect(block.mean.load1?.[0]).toBe(0.12);
    expect(block.mean).not.toHaveProperty('swap_used');
  });

  it('becomes a mean and a peak of the next coarser one, and peaks outlive a second time', () => {
    const fine = emptyBlock();
    for (const [slot, value] of [0.1, 0.9, 0.2].entries()) addSample(fine, slot, sample(value));
    const middle = emptyBlock();
    rollUp(fine, middle, 2);
    expect(middle.mean.cpu_used).toEqual([null, null, 0.4]);
    expect(middle.max?.cpu_used).toEqual([null, null, 0.9]);
    const coarse = emptyBlock();
    rollUp(middle, coarse, 0);
    expect([coarse.mean.cpu_used, coarse.max?.cpu_used]).toEqual([[0.4], [0.9]]);
  });

  it('joins what two processes knew', () => {
    const [before, after] = [emptyBlock(), emptyBlock()];
    addSample(before, 0, sample(0.1));
    addSample(before, 1, sample(0.2));
    addSample(after, 1, sample(0.3));
    expect(mergeBlocks(before, after).mean.cpu_used).toEqual([0.1, 0.3]);
  });
});
