import { describe, expect, it } from 'vitest';
import { groupsOf, roleOfGroups, usernameOf } from '../../../../orchestrator/tenancy/group-roles.ts';

const MAPPING = { readers: 'viewer', ops: 'operator', second: 'approver', root: 'admin' } as const;

it.each([
  [[], undefined],
  [['others'], undefined],
  [['readers'], 'viewer'],
  [['readers', 'second'], 'approver'],
  [['second', 'ops', 'readers'], 'operator'],
  [['root', 'ops'], 'admin'],
  [['__proto__', 'constructor', 'toString'], undefined],
])('gives %j the role %s', (groups, role) => {
  expect(roleOfGroups(new Set(groups), MAPPING)).toBe(role);
});

it.each([
  ['ops', ['ops']],
  [
    ['ops', 7, null, ['root'], 'readers'],
    ['ops', 'readers'],
  ],
  [{ root: true }, []],
  [undefined, []],
])('reads the claim %j as %j', (claim, groups) => {
  expect([...groupsOf(claim)]).toEqual(groups);
});

describe('a user name', () => {
  it.each([
    [['alice'], 'alice'],
    [['Jörg Müller'], 'Jorg-Muller'],
    [[undefined, 'jane@example.org'], 'jane@example.org'],
    [['<script>', 'x'], 'script'],
    [['\u202e\u0007', '', 7, 'sub-1'], 'sub-1'],
    [['漢字'], undefined],
  ])('is made of %j: %s', (claims, name) => {
    expect(usernameOf(claims)).toBe(name);
  });
});
