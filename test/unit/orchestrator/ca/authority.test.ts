import { randomBytes, X509Certificate } from 'node:crypto';
import { expect, it } from 'vitest';
import { silentLogger } from '../../../../base/logger.ts';
import { openAuthority } from '../../../../orchestrator/ca/authority.ts';
import { keepServerCertificate } from '../../../../orchestrator/ca/server-certificate.ts';
import { newP256, spkiOf } from '../../../../orchestrator/ca/x509.ts';
import { createSealer } from '../../../../orchestrator/store/sealed.ts';
import { openStore } from '../../../../orchestrator/store/store.ts';
import { DEFAULT_LIFETIMES } from '../../../../protocol/certificate-profile.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';
import { insertOrganization } from '../../../fakes/store-rows.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const DAY = 86_400_000;

async function startCa() {
  const home = await createTempHome();
  const store = await openStore(home.join('store.db'));
  const sealer = createSealer(randomBytes(32));
  const clock = createFakeClock();
  const options = { store, sealer, clock, log: silentLogger };
  const authority = await openAuthority(options);
  await insertOrganization(store.db, 'org-1', 'one');
  const save = await authority.prepareOrganization('org-1');
  await store.transaction(save);
  const issueAgent = async () =>
    authority.issueAgent({
      organizationId: 'org-1',
      agentId: 'agt-1',
      publicKey: spkiOf((await newP256()).publicKey),
    });
  return {
    options,
    authority,
    clock,
    store,
    issueAgent,
    async [Symbol.asyncDispose]() {
      await store.close();
      await home.remove();
    },
  };
}

it('signs by the organization’s own issuing key, below the root, 10 minutes back', async () => {
  await using ca = await startCa();
  const issued = await ca.issueAgent();
  const [leaf, issuing] = issued.chain
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .map((pem) => new X509Certificate(pem));
  const root = new X509Certificate(ca.authority.root);
  if (!leaf || !issuing) throw new Error('the chain has no two certificates');
  expect(leaf.checkIssued(issuing) && leaf.verify(issuing.publicKey)).toBe(true);
  expect(issuing.checkIssued(root) && issuing.verify(root.publicKey)).toBe(true);
  expect([leaf.ca, issuing.ca, root.ca]).toEqual([false, true, true]);
  expect(leaf.validFromDate.getTime()).toBe(ca.clock.now() - 600_000);
  expect(leaf.validToDate.getTime()).toBe(ca.clock.now() + 30 * DAY);
});

it('knows which organization a certificate was issued for by its signature [identity-2]', async () => {
  await using ca = await startCa();
  await insertOrganization(ca.store.db, 'org-2', 'two');
  await ca.store.transaction(await ca.authority.prepareOrganization('org-2'));
  const leaf = new X509Certificate((await ca.issueAgent()).chain);
  expect(await ca.authority.hasIssued('org-1', leaf)).toBe(true);
  expect(await ca.authority.hasIssued('org-2', leaf)).toBe(false);
});

it('is found again by the next process, and keeps its trust domain', async () => {
  await using ca = await startCa();
  const again = await openAuthority(ca.options);
  expect(again.rootFingerprint).toBe(ca.authority.rootFingerprint);
  await expect(openAuthority({ ...ca.options, trustDomain: 'other.example' })).rejects.toThrow(
    '--trust-domain',
  );
});

it('replaces issuing certificates at half of their life, while the old ones still count', async () => {
  await using ca = await startCa();
  const before = await ca.authority.bundle('org-1');
  await ca.clock.advance(100 * DAY);
  await ca.authority.renewIssuing();
  expect(await ca.authority.bundle('org-1')).toEqual(before);
  await ca.clock.advance(100 * DAY);
  await ca.authority.renewIssuing();
  const after = await ca.authority.bundle('org-1');
  expect(after.certificates).toHaveLength(6);
  expect(after.certificates).toEqual(expect.arrayContaining(before.certificates));
  expect(after.version).toBeGreaterThan(before.version);
  const newest = (await ca.issueAgent()).chain.split(/(?<=-----END CERTIFICATE-----\n)/)[1];
  expect(before.certificates).not.toContain(newest);
});

it('never lets a certificate outlive its issuer, and says loudly that the root key is away', async () => {
  await using ca = await startCa();
  await ca.store.db
    .updateTable('certificate_authorities')
    .set({ sealed_key: null })
    .where('kind', '=', 'root')
    .execute();
  const said: unknown[] = [];
  const log = Object.assign(Object.create(silentLogger), {
    error: (_: unknown, message: string) => said.push(message),
  });
  const authority = await openAuthority({ ...ca.options, log });
  await ca.clock.advance(350 * DAY);
  await authority.renewIssuing();
  expect(said).toEqual([expect.stringContaining('root key'), expect.stringContaining('root key')]);
  const { chain, notAfterMs } = await ca.issueAgent();
  const issuing = new X509Certificate(chain.split(/(?<=-----END CERTIFICATE-----\n)/)[1] ?? '');
  expect(notAfterMs).toBe(issuing.validToDate.getTime());
  await expect(authority.prepareOrganization('org-2')).rejects.toThrow('not on this machine');
});

it('makes the server’s next certificate around half of the life of the last', async () => {
  await using ca = await startCa();
  const renewed = Promise.withResolvers<string>();
  const kept = await keepServerCertificate({
    authority: ca.authority,
    publicHost: '192.0.2.7',
    clock: ca.clock,
    random: () => 0.5,
    log: silentLogger,
    onRenewed: (credentials) => renewed.resolve(credentials.cert),
  });
  const first = new X509Certificate(kept.credentials.cert);
  expect(first.checkIP('192.0.2.7')).toBe('192.0.2.7');
  expect(first.checkHost('agents.vm-agent.internal')).toBe('agents.vm-agent.internal');
  expect(ca.clock.armed()).toHaveLength(1);
  expect(kept.shown()).toEqual({
    kind: 'own',
    notBeforeMs: first.validFromDate.getTime(),
    notAfterMs: first.validToDate.getTime(),
    renewsAtMs: ca.clock.now() + 45 * DAY,
  });
  await ca.clock.advance(46 * DAY);
  const second = new X509Certificate(await renewed.promise);
  expect(second.fingerprint256).not.toBe(first.fingerprint256);
  expect(kept.shown().notAfterMs).toBe(second.validToDate.getTime());
  expect(second.validToDate.getTime()).toBeGreaterThan(first.validToDate.getTime());
  kept.stop();
  expect(ca.clock.armed()).toEqual([]);
});

it('gives agents’ certificates the life that it was told', async () => {
  await using ca = await startCa();
  const lifetimes = { ...DEFAULT_LIFETIMES, agent: 60 };
  const authority = await openAuthority({ ...ca.options, lifetimes });
  const publicKey = spkiOf((await newP256()).publicKey);
  const { notAfterMs } = await authority.issueAgent({ organizationId: 'org-1', agentId: 'agt-1', publicKey });
  expect(notAfterMs).toBe(ca.clock.now() + 60_000);
});

it('goes on with the certificate that it has when no next one can be made, and tries again', async () => {
  await using ca = await startCa();
  const failures: Error[] = [];
  const renewed = Promise.withResolvers<string>();
  const said: string[] = [];
  const log = Object.assign(Object.create(silentLogger), {
    error: (_: unknown, message: string) => said.push(message),
  });
  const kept = await keepServerCertificate({
    authority: {
      ...ca.authority,
      async issueOrchestrator(names) {
        const failure = failures.shift();
        if (failure) throw failure;
        return ca.authority.issueOrchestrator(names);
      },
    },
    publicHost: 'o.example',
    clock: ca.clock,
    random: () => 0.5,
    log,
    onRenewed: (credentials) => renewed.resolve(credentials.cert),
  });
  failures.push(new Error('the store is away'), new Error('still away'));
  await ca.clock.advance(46 * DAY);
  await ca.clock.advance(DAY);
  expect(await renewed.promise).not.toBe(kept.credentials.cert);
  expect(said).toHaveLength(2);
  kept.stop();
});
