import { mkdir, rm, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Check } from '../../../../cli/checks/check.ts';
import { CERTIFICATE_CHECKS, SETTINGS_CHECKS } from '../../../../cli/checks/identity.ts';
import { createAgentHome } from '../../../fakes/agent-home.ts';
import { fakeBench, findingsOf } from '../../../fakes/fake-bench.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { createTestCa } from '../../../fakes/test-ca.ts';

const CHECKS: readonly Check<ReturnType<typeof fakeBench>>[] = [...SETTINGS_CHECKS, ...CERTIFICATE_CHECKS];
const DAY = 86_400_000;

async function enrolled(days = 0) {
  const home = await createAgentHome();
  await home.setUrl('wss://fleet.test:8443/');
  const bench = fakeBench(home.path, { clock: createFakeClock(Date.now() + days * DAY) });
  const look = async () => {
    const found = await findingsOf(CHECKS, bench);
    const of = (result: string) => found.filter((finding) => finding.result === result).map(({ id }) => id);
    return { found, failed: of('fail'), warned: of('warn'), skipped: of('skipped') };
  };
  return { home, look };
}

describe('settings and identity', () => {
  it('are found in order', async () => {
    const { home, look } = await enrolled();
    await using _ = home;
    expect(await look()).toMatchObject({ failed: [], warned: [], skipped: [] });
  });

  it('show every mistake of the configuration', async () => {
    const { home, look } = await enrolled();
    await using _ = home;
    await home.writeConfig('sever: 1\nlogging:\n  level: LOUD\n');
    const { found, failed } = await look();
    expect(failed).toEqual(['config']);
    expect(found.find(({ id }) => id === 'config')?.detail.split('\n')).toHaveLength(2);
  });

  it('show a policy that refuses everything', async () => {
    const { home, look } = await enrolled();
    await using _ = home;
    await writeFile(`${home.path}/config/policy.yaml`, 'version: 9\n', { mode: 0o644 });
    expect((await look()).failed).toEqual(['policy']);
  });

  it('show a missing key once, and nothing of the certificate', async () => {
    const { home, look } = await enrolled();
    await using _ = home;
    await rm(`${home.path}/security/vm_agent.key`);
    expect(await look()).toMatchObject({
      failed: ['identity'],
      skipped: ['certificate.key', 'certificate.validity', 'certificate.chain'],
    });
  });

  it('show a key that belongs to another certificate', async () => {
    const { home, look } = await enrolled();
    await using _ = home;
    await writeFile(`${home.path}/security/vm_agent.key`, (await home.ca.agent(home.agentId)).key);
    expect((await look()).failed).toEqual(['certificate.key']);
    await writeFile(`${home.path}/security/vm_agent.key`, 'no key');
    expect((await look()).failed).toEqual(['certificate.key']);
  });

  it('show how many days the certificate has left, when it is late, and when it has ended', async () => {
    const { home, look } = await enrolled();
    await using _ = home;
    const { found } = await look();
    expect(found.find(({ id }) => id === 'certificate.validity')?.detail).toMatch(/^(29\.9|30\.0) days left/);
    for (const [days, expected] of [
      [25, { warned: ['certificate.validity'], failed: [] }],
      [31, { warned: [], failed: ['certificate.validity'], skipped: ['certificate.chain'] }],
    ] as const) {
      const later = await enrolled(days);
      await using _later = later.home;
      const seen = await later.look();
      expect(seen).toMatchObject(expected);
      // The machine is not lost: it waits for somebody, and keeps its identity.
      if (days === 31)
        expect(seen.found.find(({ id }) => id === 'certificate.validity')?.hint).toMatch(
          /^It waits to be admitted: vm-orchestrator agents admit vm-/,
        );
    }
  });

  it('show a certificate of another CA', async () => {
    const { home, look } = await enrolled();
    await using _ = home;
    const other = await (await createTestCa({ orgId: home.orgId })).agent(home.agentId);
    await writeFile(`${home.path}/security/vm_agent.crt`, other.certificate);
    await writeFile(`${home.path}/security/vm_agent.key`, other.key);
    expect((await look()).failed).toEqual(['certificate.chain']);
  });

  it('show an installation that was interrupted', async () => {
    const { home, look } = await enrolled();
    await using _ = home;
    await mkdir(`${home.path}/trust`, { recursive: true });
    const record = { orchestrator_url: 'https://fleet.test:8443', token_id: 'x', complete: false };
    await writeFile(`${home.path}/trust/enrolment.json`, JSON.stringify(record));
    expect((await look()).warned).toEqual(['identity']);
  });
});
