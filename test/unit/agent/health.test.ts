import { describe, expect, it } from 'vitest';
import { Health } from '../../../agent/health.ts';

describe('health', () => {
  it('is healthy when every condition holds, and counts one that was never set as failing', () => {
    const health = new Health();
    const set = health.define('link', 'degraded', 'not tried yet');
    expect(health.status).toBe('degraded');
    set(true, 'up');
    expect(health.status).toBe('healthy');
  });

  it('is unhealthy when one condition says so, whatever the others', () => {
    const health = new Health();
    health.define('link', 'degraded', '')(true, '');
    health.define('journal', 'unhealthy', '')(false, 'full');
    expect(health.status).toBe('unhealthy');
    expect(health.conditions).toContainEqual({ name: 'journal', ok: false, detail: 'full' });
  });

  it('tells changes, not repetitions', () => {
    const seen: boolean[] = [];
    const set = new Health((condition) => seen.push(condition.ok)).define('link', 'degraded', '');
    for (const ok of [false, true, true, false]) set(ok, '');
    expect(seen).toEqual([true, false]);
  });
});
