import { expect, it } from 'vitest';
import { effectivePermissions, requireGrantable } from '../../../../orchestrator/tenancy/grants.ts';
import { permissionsOf } from '../../../../protocol/roles.ts';

it('keeps of a role what the scopes name, and adds nothing', () => {
  expect(effectivePermissions('viewer', null)).toEqual(permissionsOf('viewer'));
  expect([...effectivePermissions('viewer', ['agents.read', 'jobs.run'])]).toEqual(['agents.read']);
  expect([...effectivePermissions('admin', [])]).toEqual([]);
});

it('names what a granter lacks', () => {
  const granter = { role: 'operator', permissions: permissionsOf('operator') } as const;
  expect(() => requireGrantable(granter, permissionsOf('viewer'), 'The role viewer')).not.toThrow();
  expect(() => requireGrantable(granter, permissionsOf('approver'), 'The role approver')).toThrow(
    'The role approver holds rights that you do not have: approvals.decide, audit.read, recordings.read.',
  );
});
