import { beforeAll, describe, expect, it } from 'vitest';
import type * as Infra from '../../../../infra/index.ts';
import { type FakeControlPlane, startFakeControlPlane } from '../../../fakes/fake-control-plane.ts';
import { mockEngine, valueOfOutput } from '../../../fakes/pulumi-mocks.ts';

const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxkTGuSQnVq1ziyoQxkTGuSQnVq1ziyoQxkTGuSQnVq';
let plane: FakeControlPlane;
let engine: Awaited<ReturnType<typeof mockEngine>>;
let infra: typeof Infra;

beforeAll(async () => {
  plane = await startFakeControlPlane();
  engine = await mockEngine({ preview: true, outputs: () => ({ stdout: '{}', stderr: '' }) });
  infra = await import('../../../../infra/index.ts');
  return () => plane.close();
});

const orchestrator = () => ({ url: plane.url, apiToken: plane.apiToken, caPem: plane.caPem });
const hosts = (count: number) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, n) => [
      `web-${n}`,
      { connection: { host: `10.0.0.${n}`, hostKey: HOST_KEY, privateKey: 'KEY' } },
    ]),
  );

describe('a fleet of 50', () => {
  let took = 0;
  beforeAll(async () => {
    const started = performance.now();
    const fleet = new infra.AgentFleet('fleet', {
      orchestrator: orchestrator(),
      hosts: hosts(50),
      concurrency: 7,
    });
    await valueOfOutput(fleet.status);
    await engine.settled();
    took = performance.now() - started;
  });

  it('is previewed in less than 10 s', () => {
    expect(took).toBeLessThan(10_000);
    expect(engine.declared.filter(({ type }) => type === 'command:remote:Command')).toHaveLength(100);
    expect(engine.declared.filter(({ name }) => name.startsWith('fleet-gate-'))).toHaveLength(3);
  });
});
