import { expect, it } from 'vitest';
import { changeLabels } from '../../../../orchestrator/tenancy/agent-change.ts';

it('says what is another than before, and nothing of what is not', () => {
  expect(
    changeLabels({ env: 'prod', role: 'db' }, { env: 'prod', role: null, zone: 'a', none: null }),
  ).toEqual({
    labels: { env: 'prod', zone: 'a' },
    set: { zone: 'a' },
    removed: ['role'],
  });
});
