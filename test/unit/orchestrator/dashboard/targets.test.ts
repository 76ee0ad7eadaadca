import { describe, expect, it } from 'vitest';
import { resolveTarget } from '../../../../orchestrator/dashboard/model/targets.ts';
import { parseSelector, selectorMatches } from '../../../../protocol/selector.ts';
import { createFakeFleet, type FakeFleet } from '../../../fakes/fake-fleet.ts';

function machines(count: number) {
  const fleet = createFakeFleet({ now: () => 0 });
  for (let n = 0; n < count; n++) {
    const vm_id = `vm-web-${n.toString(16).padStart(6, '0')}`;
    fleet.addAgent({ vm_id, online: n !== 1 } as Parameters<FakeFleet['addAgent']>[0]);
  }
  return [...fleet.agents.values()];
}
const none = new Set<string>();

describe('resolveTarget', () => {
  it('means exactly the machines that are online', () => {
    const agents = machines(3);
    const selector = parseSelector(resolveTarget('online', agents, none, '').selector);
    expect(agents.map((agent) => selectorMatches(selector, agent))).toEqual([true, false, true]);
  });

  it('means exactly the selected machines and says which are offline', () => {
    const agents = machines(3);
    const chosen = new Set(agents.slice(0, 2).map(({ agent_id }) => agent_id as string));
    const target = resolveTarget('selected', agents, chosen, '');
    const selector = parseSelector(target.selector);
    expect(agents.map((agent) => selectorMatches(selector, agent))).toEqual([true, true, false]);
    expect(target.note).toContain('1 offline');
  });

  it('falls back to all with a short life when the online machines are too many to name', () => {
    const target = resolveTarget('online', machines(1000), none, '');
    expect([target.selector, target.expiresIn]).toEqual(['all', 60]);
    expect(target.note).toContain('do not run it');
  });

  it('refuses a selection that is too large to name, rather than widen it', () => {
    const agents = machines(1000);
    const chosen = new Set(agents.map(({ agent_id }) => agent_id as string));
    expect(resolveTarget('selected', agents, chosen, '').problem).toContain('Too many');
  });

  it('asks for what is missing', () => {
    expect(resolveTarget('online', [], none, '').problem).toContain('No machine');
    expect(resolveTarget('selected', machines(1), none, '').problem).toContain('Select');
    expect(resolveTarget('selector', machines(1), none, ' ').problem).toContain('selector');
  });
});
