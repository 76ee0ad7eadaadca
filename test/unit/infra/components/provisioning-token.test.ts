import { beforeAll, describe, expect, it } from 'vitest';
import type * as Infra from '../../../../infra/index.ts';
import { type FakeControlPlane, startFakeControlPlane } from '../../../fakes/fake-control-plane.ts';
import { mockEngine, plain, valueOfOutput } from '../../../fakes/pulumi-mocks.ts';

let plane: FakeControlPlane;
let engine: Awaited<ReturnType<typeof mockEngine>>;
let infra: typeof Infra;

beforeAll(async () => {
  plane = await startFakeControlPlane();
  engine = await mockEngine({ preview: false, outputs: () => ({ stdout: '{"token":"t","id":"i"}' }) });
  infra = await import('../../../../infra/index.ts');
  // In this way the SDK tells that a resource cannot be declared.
  process.on('unhandledRejection', note);
  return async () => {
    process.off('unhandledRejection', note);
    await plane.close();
  };
});
const rejected: string[] = [];
const note = (cause: unknown) => rejected.push(String(cause));

const orchestrator = () => ({ url: plane.url, apiToken: plane.apiToken, caPem: plane.caPem });
const limitsAskedFor = (name: string): unknown => {
  const minted = engine.declared.find((one) => one.name === name && one.type.startsWith('command:'));
  const environment = plain(minted?.inputs['environment']) as Record<string, unknown>;
  return JSON.parse(String(plain(environment['VM_AGENT_REQUEST']))).limits;
};

describe('a token', () => {
  it('has the rate that it is given', async () => {
    const args = { orchestrator: orchestrator(), uses: 50, rate: '10/1h' };
    const { tokenId } = new infra.ProvisioningToken('rated', args);
    expect(await valueOfOutput(tokenId)).toBe('i');
    expect(limitsAskedFor('rated')).toMatchObject({ uses: 50, rate: { uses: 10, window_s: 3600 } });
  });

  it('has no rate when none is given, so that those that exist stay', async () => {
    const { tokenId } = new infra.ProvisioningToken('unrated', { orchestrator: orchestrator() });
    await valueOfOutput(tokenId);
    expect(limitsAskedFor('unrated')).not.toHaveProperty('rate');
  });

  it.each([
    [{ rate: '10 an hour' }, 'rate: 10 an hour is no rate; write MACHINES/TIME, e.g. 10/1h'],
    [{ ttl: 'soon' }, 'ttl: soon is no duration; write 15m, 24h or 7d'],
  ])('of %j is refused, and the error says what to write', async (wrong, message) => {
    const name = `wrong-${Object.keys(wrong)[0]}`;
    new infra.ProvisioningToken(name, { orchestrator: orchestrator(), ...wrong });
    await expect.poll(() => rejected.join('\n')).toContain(message);
  });
});
