import { describe, expect, it } from 'vitest';
import { parseSelector, selectorMatches } from '../../../protocol/selector.ts';

const vault = {
  agent_id: 'agt-1',
  vm_id: 'vm-vault-000001',
  labels: { env: 'prod', role: 'vault' },
  reported_labels: { role: 'web', zone: 'a' },
};

describe('selectors', () => {
  it.each([
    ['all', true],
    ['env=prod', true],
    ['env=prod,role=vault', true],
    ['env=prod,role!=vault', false],
    ['role!=db', true],
    ['missing!=x', true],
    ['missing=x', false],
    ['id=vm-vault-000001', true],
    ['id=vm-other-000001|agt-1', true],
    ['id=vm-other-000001', false],
    ['constructor=x', false],
  ])('%s matches: %s', (text, expected) => {
    expect(selectorMatches(parseSelector(text), vault)).toBe(expected);
  });

  it('match what the VM claims about itself only when they ask for it by name', () => {
    expect(selectorMatches(parseSelector('role=web'), vault)).toBe(false);
    expect(selectorMatches(parseSelector('agent.role=web'), vault)).toBe(true);
    expect(selectorMatches(parseSelector('zone=a'), vault)).toBe(false);
  });

  it.each(['', 'env', 'env=prod,', 'env==prod', 'id=', 'a b=c', 'ALL'])(
    'that cannot be understood name the term: %j',
    (text) => {
      expect(() => parseSelector(text)).toThrow(/is not a selector term/);
    },
  );
});
