import { describe, expect, it } from 'vitest';
import { parseWave, planWaves } from '../../../../infra/plan/waves.ts';

const cut = (count: number, ...waves: string[]) =>
  planWaves(Array.from({ length: count }), waves.map(parseWave)).map((wave) => wave.length);

describe('waves', () => {
  it('are numbers and shares of all, each up to its mark, and what is left over', () => {
    expect(cut(50, '1', '10%', '100%')).toEqual([1, 4, 45]);
    expect(cut(5, '2')).toEqual([2, 3]);
    expect(cut(1, '1', '10%', '100%')).toEqual([1]);
    expect(cut(0, '1')).toEqual([]);
  });

  it.each(['0', '101%', 'half', '-1', '1.5'])('refuses %s by name', (text) => {
    expect(() => parseWave(text)).toThrow(`"${text}"`);
  });
});
