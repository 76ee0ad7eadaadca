// User-data whose token has been made: what is in the text.
import { beforeAll, describe, expect, it } from 'vitest';
import type * as Infra from '../../../../infra/index.ts';
import { type FakeControlPlane, startFakeControlPlane } from '../../../fakes/fake-control-plane.ts';
import { mockEngine, plain, valueOfOutput } from '../../../fakes/pulumi-mocks.ts';

const SETUP_SHA256 = 'ab'.repeat(32);
const TOKEN = `prov_${'0'.repeat(12)}_${'0'.repeat(40)}_${'0'.repeat(32)}`;

let plane: FakeControlPlane;
let engine: Awaited<ReturnType<typeof mockEngine>>;
let pulumi: typeof import('@pulumi/pulumi');
let infra: typeof Infra;

beforeAll(async () => {
  plane = await startFakeControlPlane();
  engine = await mockEngine({
    preview: false,
    outputs: ({ name, inputs }) => {
      if (name.endsWith('-token'))
        return { stdout: JSON.stringify({ token: TOKEN, id: 'id', setup_sha256: SETUP_SHA256 }) };
      const environment = plain(inputs['environment']) as Record<string, unknown> | undefined;
      return { stdout: plain(environment?.['VM_AGENT_USER_DATA']) };
    },
  });
  infra = await import('../../../../infra/index.ts');
  pulumi = await import('@pulumi/pulumi');
  return () => plane.close();
});

const orchestrator = () => ({ url: plane.url, apiToken: plane.apiToken, caPem: plane.caPem });

describe('user-data', () => {
  it('of one machine names the setup script that was served', async () => {
    const { userData } = new infra.AgentUserData('one', { orchestrator: orchestrator() });
    const text = await valueOfOutput(userData);
    expect(text).toContain(TOKEN);
    expect(text).toContain(SETUP_SHA256);
  });

  it.each([
    ['a number', () => 20],
    ['an output', () => pulumi.output(20)],
  ])('of a group, whose size is %s, does not: it outlives releases', async (kind, uses) => {
    const name = kind.replace(' ', '-');
    const { userData } = new infra.AgentUserData(name, { orchestrator: orchestrator(), uses: uses() });
    const text = await valueOfOutput(userData);
    expect(text).toContain(TOKEN);
    expect(text).not.toContain(SETUP_SHA256);
    expect(text).not.toContain('0'.repeat(64));
  });

  it('carries the port, and its token the rate', async () => {
    const args = { orchestrator: orchestrator(), uses: 20, rate: '10/1h', port: 7070 };
    const { userData } = new infra.AgentUserData('group', args);
    expect(await valueOfOutput(userData)).toMatch(/\b7070\b/);
    const minted = engine.declared.find(
      (one) => one.name === 'group-token' && one.type.startsWith('command:'),
    );
    const environment = plain(minted?.inputs['environment']) as Record<string, unknown>;
    const request = String(plain(environment['VM_AGENT_REQUEST']));
    expect(JSON.parse(request)).toMatchObject({ limits: { uses: 20, rate: { uses: 10, window_s: 3600 } } });
  });
});
