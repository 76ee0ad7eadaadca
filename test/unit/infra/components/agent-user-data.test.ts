import { beforeAll, describe, expect, it } from 'vitest';
import type * as Infra from '../../../../infra/index.ts';
import { type FakeControlPlane, startFakeControlPlane } from '../../../fakes/fake-control-plane.ts';
import { mockEngine, plain, valueOfOutput } from '../../../fakes/pulumi-mocks.ts';

let plane: FakeControlPlane;
let engine: Awaited<ReturnType<typeof mockEngine>>;
let infra: typeof Infra;

beforeAll(async () => {
  plane = await startFakeControlPlane();
  engine = await mockEngine({ preview: true, outputs: () => ({}) });
  infra = await import('../../../../infra/index.ts');
  return () => plane.close();
});

const orchestrator = () => ({ url: plane.url, apiToken: plane.apiToken, caPem: plane.caPem });

describe('user-data', () => {
  it('asks for a token with short life for one machine, and lies below its component', async () => {
    new infra.AgentUserData('vm', { orchestrator: orchestrator(), labels: { env: 'test' } });
    await engine.settled();
    const minted = engine.declared.find(
      ({ name, type }) => name === 'vm-token' && type.startsWith('command:'),
    );
    const environment = plain(minted?.inputs['environment']) as Record<string, string>;
    expect(JSON.parse(environment['VM_AGENT_REQUEST'] ?? '')).toMatchObject({
      limits: { uses: 1, ttl_s: 900, labels: { env: 'test' } },
    });
    expect(engine.named('vm-frozen').parent).toBe('vm');
    expect(plane.tokens).toEqual([]);
  });

  it('that is too large is refused in the preview, with both sizes', async () => {
    const parts = [{ content: `#!/bin/sh\n# ${'x'.repeat(20_000)}\n` }];
    const args = { orchestrator: orchestrator(), format: 'mime', parts };
    expect(() => new infra.AgentUserData('large', args)).toThrow(/user-data has \d{5} bytes; at most 16384/);
    expect(() => new infra.AgentUserData('large', { ...args, tokenFrom: 'get-it' })).toThrow(/at most 16384/);
  });

  it('holds no token that comes from a store', async () => {
    const made = new infra.AgentUserData('stored', {
      orchestrator: orchestrator(),
      tokenFrom: 'aws ssm get-parameter --name token',
    });
    const text = await valueOfOutput(made.userData);
    expect(text).toContain('aws ssm get-parameter');
    expect(text).not.toContain('prov_0');
    expect(engine.declared.some(({ name }) => name.startsWith('stored-'))).toBe(false);
    const base64 = await valueOfOutput(made.userDataBase64);
    expect(Buffer.from(base64, 'base64').toString()).toBe(text);
  });
});
