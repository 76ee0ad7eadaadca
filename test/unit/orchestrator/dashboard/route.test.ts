import { describe, expect, it } from 'vitest';
import { placeOf } from '../../../../orchestrator/dashboard/model/route.ts';

const PATTERNS = ['', 'agents', 'agents/:id', 'agents/:id/:tab', 'jobs/:id'];
const place = (hash: string) => placeOf(hash, PATTERNS);

describe('a place in the page', () => {
  it('is known by its link', () => {
    expect(place('')?.pattern).toBe('');
    expect(place('#/agents')?.pattern).toBe('agents');
    expect(place('#/agents/agt-01/')).toMatchObject({ pattern: 'agents/:id', params: { id: 'agt-01' } });
  });

  it('keeps what is looked at in the query', () => {
    const found = place('#/agents/agt-01/files?path=%2Fetc%2Fa%26b');
    expect(found?.params).toEqual({ id: 'agt-01', tab: 'files' });
    expect(found?.query.get('path')).toBe('/etc/a&b');
  });

  it('is none for what it does not know, above all what would change a path of the API', () => {
    for (const hash of [
      '#/nothing',
      '#/jobs/a/b',
      '#/jobs/..%2Fx',
      '#/jobs/..',
      '#/agents/a b',
      '#/constructor',
    ])
      expect(place(hash)).toBeUndefined();
  });
});
