// What is declared when something fails: whatever is not would count as removed, and be taken off its machine.
import { beforeAll, describe, expect, it } from 'vitest';
import type * as Infra from '../../../../infra/index.ts';
import { machineOf } from '../../../../infra/plan/decide.ts';
import {
  type FakeControlPlane,
  seenAgent,
  startFakeControlPlane,
} from '../../../fakes/fake-control-plane.ts';
import { mockEngine, plain } from '../../../fakes/pulumi-mocks.ts';

let plane: FakeControlPlane;
let engine: Awaited<ReturnType<typeof mockEngine>>;
let infra: typeof Infra;
const failing = new Set<string>();
const awaited = { agent_id: 'agt', vm_id: 'vm', hostname: 'h', version: '1.2.3', token: 'prov', id: 'id' };

beforeAll(async () => {
  plane = await startFakeControlPlane();
  engine = await mockEngine({
    preview: false,
    outputs: ({ name }) => (failing.has(name) ? undefined : { stdout: JSON.stringify(awaited), stderr: '' }),
  });
  infra = await import('../../../../infra/index.ts');
  // The SDK tells of a failed resource in this way; that nothing else comes of it is what is tested.
  process.on('unhandledRejection', ignore);
  return async () => {
    process.off('unhandledRejection', ignore);
    await plane.close();
  };
});
const ignore = () => undefined;

const fleet = async (name: string) => {
  const connection = (n: number) => ({ host: `10.0.0.${n}`, hostKey: 'ssh-ed25519 AAAA' });
  new infra.AgentFleet(name, {
    orchestrator: { url: plane.url, apiToken: plane.apiToken, caPem: plane.caPem },
    hosts: {
      a: { connection: connection(1) },
      b: { connection: connection(2) },
      c: { connection: connection(3) },
    },
    waves: ['2', '100%'],
    concurrency: 1,
  });
  await expect.poll(() => engine.declared.some((one) => one.name === `${name}-gate-2`)).toBe(true);
};
const requestOf = (name: string) => {
  const one = engine.declared.find((found) => found.name === name && found.type.startsWith('command:'));
  const environment = plain(one?.inputs['environment']) as Record<string, unknown>;
  return JSON.parse(String(plain(environment['VM_AGENT_REQUEST'])));
};
const CHILDREN = ['token', 'teardown', 'install', 'agent'];

describe('a failure', () => {
  it('of one host is counted by its gate, and all that comes later is declared after what failed', async () => {
    failing.add('one-a-install');
    // The engine skips what comes after a failure, and says so to the SDK as it says failures.
    failing.add('one-a-agent');
    await fleet('one');
    for (const host of ['a', 'b', 'c'])
      for (const child of CHILDREN) expect(engine.named(`one-${host}-${child}`)).toBeDefined();
    expect(engine.named('one-a-agent').after).toContain('one-a-install');
    expect(requestOf('one-gate-1')).toMatchObject({ wave: 1, failed: ['a'], max_failures: 0 });
  });

  it('of a gate keeps no later wave from being declared', async () => {
    failing.add('two-gate-1');
    await fleet('two');
    for (const child of CHILDREN) expect(engine.named(`two-c-${child}`).name).toBe(`two-c-${child}`);
    expect(engine.named('two-c-install').after).toContain('two-gate-1');
  });

  it('of the orchestrator fails the first command of each host, which then says why', async () => {
    plane.down = true;
    await fleet('three');
    plane.down = false;
    for (const host of ['a', 'b', 'c']) {
      for (const child of CHILDREN) expect(engine.named(`three-${host}-${child}`)).toBeDefined();
      expect(requestOf(`three-${host}-token`).fail).toContain('cannot be reached');
    }
  });
});

it('a fleet that is well is declared as it was, whatever the time', async () => {
  const deployments = ['a', 'b', 'c'].map((_, n) => `20261101T000000Z-${machineOf(`10.0.0.${n + 1}`, 22)}`);
  plane.agents = ['a', 'b', 'c'].map((host, n) => {
    const deployment = deployments[n] as string;
    const label = { 'vm-agent.host': `project.stack.four-${host}` };
    return seenAgent({ labels: label, reported_labels: { ...label, 'vm-agent.deployment': deployment } });
  });
  await fleet('four');
  for (const [n, host] of ['a', 'b', 'c'].entries()) {
    const deployment = deployments[n];
    expect(engine.named(`four-${host}-install`).inputs['create']).toContain(`installation ${deployment}`);
    expect(requestOf(`four-${host}-agent`)).toMatchObject({ deployment, version: '1.2.3' });
  }
});
