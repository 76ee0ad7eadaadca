import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { newId } from '../../../base/random.ts';
import { newP256, publicKeyHash, spkiOf } from '../../../orchestrator/ca/x509.ts';
import { openData } from '../../../orchestrator/data.ts';
import { saveAgent, saveCertificate } from '../../../orchestrator/registration/enrolled.ts';
import { registerRequestSchema } from '../../../protocol/rest-registration.ts';

export interface StormAgent {
  agentId: string;
  vmId: string;
  cert: string;
  key: string;
}

/** Enrolls agents by the thousand: the orchestrator's own CA and rows, without a request for each. It must not run. */
export async function enrollMany(dataDir: string, count: number) {
  const { store, authority } = await openData({ dataDir, clock: systemClock, log: silentLogger });
  try {
    const { id: organizationId } = await store.db
      .selectFrom('organizations')
      .select('id')
      .where('name', '=', 'default')
      .executeTakeFirstOrThrow();
    const token = await store.db.selectFrom('provisioning_tokens').selectAll().executeTakeFirstOrThrow();
    const agents: StormAgent[] = [];
    const made: {
      request: unknown;
      issued: Awaited<ReturnType<typeof authority.issueAgent>>;
      hash: string;
    }[] = [];
    for (let number = 0; number < count; number += 1) {
      const keys = await newP256();
      const agentId = newId('agt', systemClock);
      const publicKey = spkiOf(keys.publicKey);
      const issued = await authority.issueAgent({ organizationId, agentId, publicKey });
      const vmId = `vm-storm-${number.toString(16).padStart(6, '0')}`;
      const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      agents.push({ agentId, vmId, cert: issued.chain, key });
      const request = {
        provisioning_token: 'x',
        vm_id: vmId,
        hostname: vmId,
        csr: 'x',
        api_key_hash: '0'.repeat(64),
        machine_hash: `machine-${vmId}`,
        facts: { hostname: vmId, os: 'linux', arch: 'x64' },
      };
      made.push({ request, issued, hash: publicKeyHash(publicKey) });
    }
    const now = systemClock.now();
    await store.transaction(async (tx) => {
      for (const [index, { request, issued, hash: keyHash }] of made.entries()) {
        const id = agents[index]?.agentId ?? '';
        const parsed = registerRequestSchema.parse(request);
        await saveAgent(tx, {
          id,
          known: undefined,
          token,
          request: parsed,
          keyHash,
          address: '127.0.0.1',
          now,
        });
        await saveCertificate(tx, { organizationId, agentId: id, issued, keyHash, now });
      }
    });
    return { organizationId, ca: authority.root, agents };
  } finally {
    await store.close();
  }
}
