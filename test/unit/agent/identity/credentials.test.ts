import { chmod, readdir, stat } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { readCredentials, writeSecurityFile } from '../../../../agent/identity/credentials.ts';
import { diskLayout } from '../../../../protocol/disk-layout.ts';
import { writeEnrolledHome } from '../../../fakes/agent-home.ts';
import { createTempHome, type TempHome } from '../../../fakes/temp-home.ts';
import { createTestCa } from '../../../fakes/test-ca.ts';

const ORG = 'org-01arz3ndektsv4rrffq69g5fav';
const AGENT = 'agt-01arz3ndektsv4rrffq69g5fav';
const ca = await createTestCa({ orgId: ORG });

async function enrolledHome(home: TempHome, commandKeysOf = AGENT) {
  const layout = diskLayout(home.path);
  const { certificate, key } = await ca.agent(AGENT);
  await writeEnrolledHome(home.path, {
    identity: {
      vmId: 'vm-web-1-0a1b2c',
      agentId: AGENT,
      apiKey: 'vmk_secret',
      key,
      certificate,
      ca: `${ca.rootPem}\n${ca.issuingPem}`,
      websocketUrl: 'wss://o/api/v1/agents/x/ws',
    },
    rootPin: ca.rootPin,
    commandKeys: {
      organization_id: ORG,
      agent_id: commandKeysOf,
      trust_domain: 'test.internal',
      keys: [{ kid: 'k', key: 'AAAA' }],
    },
  });
  return layout;
}

describe('the credentials of an agent', () => {
  it('are read, and only the pinned root is among the roots', async () => {
    await using home = await createTempHome();
    const own = await readCredentials(await enrolledHome(home));
    expect(own).toMatchObject({ vmId: 'vm-web-1-0a1b2c', agentId: AGENT, apiKey: 'vmk_secret' });
    expect(own.roots).toHaveLength(1);
  });

  it('are missing by name', async () => {
    await using home = await createTempHome();
    await expect(readCredentials(diskLayout(home.path))).rejects.toThrow(
      expect.objectContaining({
        code: 'not_enrolled',
        message: expect.stringMatching(/security\/vm_id.*vm_agent\.key.*ca_pins\.json/),
      }),
    );
  });

  it('are refused when the trusted keys are of another agent', async () => {
    await using home = await createTempHome();
    const layout = await enrolledHome(home, 'agt-01arz3ndektsv4rrffq69g5fax');
    await expect(readCredentials(layout)).rejects.toThrow(/belongs to agent/);
  });

  it('are refused when ca.crt was replaced by a certificate that nobody pinned', async () => {
    await using home = await createTempHome();
    const layout = await enrolledHome(home);
    await writeSecurityFile(layout, 'ca', (await createTestCa({ orgId: ORG })).rootPem);
    await expect(readCredentials(layout)).rejects.toThrow(/holds no certificate that/);
  });

  it('[secret-1] are written with their modes whatever the umask, without leaving drafts', async () => {
    await using home = await createTempHome();
    const layout = await enrolledHome(home);
    await chmod(`${layout.security}/vm_agent.key`, 0o666);
    await writeSecurityFile(layout, 'key', 'new');
    const mode = async (name: string) => (await stat(`${layout.security}/${name}`)).mode & 0o777;
    expect(await mode('vm_agent.key')).toBe(0o600);
    expect(await mode('api_key')).toBe(0o600);
    expect(await mode('vm_agent.crt')).toBe(0o644);
    expect((await readdir(layout.security)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
