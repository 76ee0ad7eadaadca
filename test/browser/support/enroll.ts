import { createHash, X509Certificate } from 'node:crypto';
import { createCsr, createKey } from '../../../agent/identity/csr.ts';
import { hostFacts, machineHash } from '../../../agent/identity/host-facts.ts';
import { drawVmId } from '../../../agent/identity/vm-id.ts';
import { systemClock } from '../../../base/clock.ts';
import { systemRandom } from '../../../base/random.ts';
import { diskLayout } from '../../../protocol/disk-layout.ts';
import { parseProvisioningToken } from '../../../protocol/provisioning-token.ts';
import { createOrchestrator } from '../../../provision/orchestrator.ts';
import { writeEnrolledHome } from '../../fakes/agent-home.ts';

/** Enrolls a home as the installer does, without what it installs. Resolves with the vm_id. */
export async function enrollHome(options: {
  home: string;
  url: string;
  token: string;
  hostname?: string;
}): Promise<string> {
  const { hostname = 'browser-test' } = options;
  const pin = parseProvisioningToken(options.token)?.caPin;
  const server = new URL(options.url);
  const orchestrator = createOrchestrator({ server, clock: systemClock, random: systemRandom, pin });
  const key = createKey();
  const vmId = drawVmId(hostname);
  const apiKey = 'key-of-this-machine';
  const answer = await orchestrator.register({
    provisioning_token: options.token,
    vm_id: vmId,
    hostname,
    csr_base64: Buffer.from(await createCsr(key, vmId)).toString('base64'),
    api_key_hash: createHash('sha256').update(apiKey).digest('hex'),
    facts: hostFacts(),
    machine_hash: machineHash(diskLayout(options.home).root),
  });
  const root = new X509Certificate((await orchestrator.anchor()).pem);
  await writeEnrolledHome(options.home, {
    identity: {
      vmId,
      apiKey,
      key,
      agentId: answer.agent_id,
      certificate: answer.certificate,
      ca: answer.ca_certificate,
      websocketUrl: answer.websocket_url,
    },
    rootPin: root.fingerprint256.replaceAll(':', '').toLowerCase(),
    commandKeys: {
      organization_id: answer.organization_id,
      agent_id: answer.agent_id,
      trust_domain: answer.trust_domain,
      keys: [{ kid: answer.command_key_id, key: answer.command_key }],
    },
  });
  return vmId;
}
