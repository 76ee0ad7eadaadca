import { describe, expect, it } from 'vitest';
import { fuzz } from './engine.ts';
import { type FuzzTarget, hold } from './target.ts';
import { FUZZ_TARGETS } from './targets.ts';

/** Inputs for each parser in a short run; `npm run fuzz` goes on for as long as it is told to. */
const INPUTS = 600;

describe('[attack-10] a parser that faces a peer', () => {
  it.each(FUZZ_TARGETS)(
    '$name refuses in its own way, round-trips and takes no long time',
    async (target) => {
      const { failure } = await fuzz(target, { inputs: Math.ceil(INPUTS * (target.share ?? 1)), seed: 1 });
      expect(
        failure && `${failure.why}\ninput: ${JSON.stringify(failure.input.toString('latin1').slice(0, 500))}`,
      ).toBe(undefined);
    },
  );
});

describe('the search', () => {
  const failing = (name: string, run: FuzzTarget['run']): FuzzTarget => ({
    name,
    seeds: ['hello {"a":1}'],
    run,
  });

  it('finds what is planted and gives the least that shows it', async () => {
    const planted = failing('planted', (input) => hold(!input.includes('__proto__'), 'planted'));
    const { failure } = await fuzz(planted, { inputs: 20_000, seed: 1 });
    expect(failure?.why).toContain('planted');
    expect(failure?.input.toString()).toBe('__proto__');
  });

  it('finds what pollutes a prototype, and what takes too long', async () => {
    const polluting = failing('polluting', (input) => {
      if (input.length > 20) Object.assign(Object.prototype, { polluted: true });
    });
    const polluted = await fuzz(polluting, { inputs: 2000, seed: 1 });
    Reflect.deleteProperty(Object.prototype, 'polluted');
    expect(polluted.failure?.why).toContain('prototype');

    const slow: FuzzTarget = {
      name: 'slow',
      seeds: ['x'],
      patienceMs: 5,
      run: (input) => void /^(a+)+$/.test(`${'a'.repeat(Math.min(24, input.length * 24))}!`),
    };
    const found = await fuzz(slow, { inputs: 10, seed: 1 });
    expect(found.failure?.why).toContain('it takes');
  });
});
