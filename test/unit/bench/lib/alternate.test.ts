import { describe, expect, it } from 'vitest';
import { alternate, type Contestant } from '../../../../bench/lib/alternate.ts';

function recorder() {
  const calls: string[] = [];
  const contestant = (name: string, every?: number): Contestant => ({
    name,
    ...(every === undefined ? {} : { every }),
    once: async () => calls.push(name),
  });
  return { calls, contestant };
}

describe('alternating measurements', () => {
  it('begins each round with another contestant', async () => {
    const { calls, contestant } = recorder();
    await alternate({ contestants: ['a', 'b', 'c'].map((name) => contestant(name)), rounds: 3, warmup: 0 });
    expect(calls.join('')).toBe('abcbcacab');
  });

  it('keeps nothing of the warm-up', async () => {
    const { calls, contestant } = recorder();
    const samples = await alternate({ contestants: [contestant('a')], rounds: 2, warmup: 3 });
    expect(calls).toHaveLength(5);
    expect(samples.get('a')).toEqual([4, 5]);
  });

  it('lets a slow contestant take part in every n-th round only', async () => {
    const { contestant } = recorder();
    const samples = await alternate({
      contestants: [contestant('quick'), contestant('slow', 4)],
      rounds: 9,
      warmup: 1,
    });
    expect(samples.get('quick')).toHaveLength(9);
    expect(samples.get('slow')).toHaveLength(3);
  });

  it('ends when a contestant fails, instead of counting the failure', async () => {
    const broken: Contestant = { name: 'broken', once: () => Promise.reject(new Error('exit 255')) };
    await expect(alternate({ contestants: [broken], rounds: 1, warmup: 0 })).rejects.toThrow('exit 255');
  });
});
