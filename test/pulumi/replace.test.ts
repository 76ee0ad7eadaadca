// A machine that is replaced by hand, as the Hetzner example's README says.
import * as command from '@pulumi/command';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AgentUserData } from '../../infra/index.ts';
import { type FakeControlPlane, startFakeControlPlane } from '../fakes/fake-control-plane.ts';
import { openStack, type TestStack } from './support/stack.ts';

let plane: FakeControlPlane;
let stack: TestStack;

beforeAll(async () => {
  plane = await startFakeControlPlane();
  stack = await openStack({
    program: async () => {
      const orchestrator = { url: plane.url, apiToken: plane.apiToken, caPem: plane.caPem };
      const machines = ['web-1', 'web-2'].map((name) => {
        const { userData } = new AgentUserData(name, { orchestrator });
        // In the place of the cloud's server.
        const given = { create: 'cat', stdin: userData };
        return [name, new command.local.Command(name, given, { ignoreChanges: ['stdin'] }).stdout] as const;
      });
      return Object.fromEntries(machines);
    },
  });
});
afterAll(async () => {
  stack.dispose();
  await plane.close();
});

it('a machine and its token are replaced by patterns of their types and names, and nothing else is', async () => {
  const first = await stack.up();
  expect(first.error).toBeUndefined();
  const replace = ['**command:local:Command::web-1-token', '**command:local:Command::web-1'];
  const { error, touched, outputs } = await stack.up({ replace });
  expect(error).toBeUndefined();
  expect(touched.filter((step) => step.startsWith('replace '))).toEqual([
    'replace web-1',
    'replace web-1-frozen',
    'replace web-1-token',
  ]);
  expect(touched.filter((step) => step.includes('web-2'))).toEqual([]);
  // Where it runs on, other user-data is ignored; the new one has the newest.
  const [, , third, ...more] = plane.tokens;
  expect(more).toEqual([]);
  expect(outputs['web-1']).toContain(`prov_${third?.id}_`);
  expect(outputs['web-2']).toBe(first.outputs['web-2']);
});
