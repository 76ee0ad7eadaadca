import { mkdir, writeFile } from 'node:fs/promises';
import { systemClock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { directories, diskLayout, SECURITY_FILES, trustEntries } from '../../protocol/disk-layout.ts';
import { type CommandSigner, createCommandSigner } from './command-signer.ts';
import { createTempHome } from './temp-home.ts';
import { createTestCa, type TestCa } from './test-ca.ts';

/** An enrolled home as the installer leaves it, with the other side's keys to talk to it. */
export interface AgentHome extends AsyncDisposable {
  path: string;
  vmId: string;
  agentId: string;
  orgId: string;
  apiKey: string;
  ca: TestCa;
  signer: CommandSigner;
  /** Writes where the agent connects to. */
  setUrl(url: string): Promise<void>;
  writeConfig(yaml: string): Promise<void>;
}

export async function createAgentHome(options: { ca?: TestCa } = {}): Promise<AgentHome> {
  const home = await createTempHome();
  const layout = diskLayout(home.path);
  const orgId = options.ca?.orgId ?? newId('org', systemClock);
  const ca = options.ca ?? (await createTestCa({ orgId }));
  const agentId = newId('agt', systemClock);
  const vmId = 'vm-test-0a1b2c';
  const apiKey = 'test-key-of-this-machine';
  const own = await ca.agent(agentId);
  const signer = createCommandSigner({ orgId, agentId, trustDomain: ca.trustDomain });
  for (const { path } of directories(layout)) await mkdir(path, { recursive: true, mode: 0o700 });
  const security = (file: keyof typeof SECURITY_FILES, text: string) =>
    writeFile(`${layout.security}/${SECURITY_FILES[file]}`, `${text}\n`, { mode: 0o600 });
  await security('vmId', vmId);
  await security('apiKey', apiKey);
  await security('agentId', agentId);
  await security('key', own.key);
  await security('certificate', own.certificate);
  await security('ca', ca.rootPem + ca.issuingPem);
  const trust = trustEntries(layout);
  await writeFile(trust.caPins.path, JSON.stringify({ bundle_version: 1, roots: [ca.rootPin] }));
  await writeFile(trust.commandKeys.path, JSON.stringify(signer.trust));
  const writeConfig = (yaml: string) => writeFile(`${layout.config}/agent_config.yaml`, yaml);
  await writeConfig('server:\n  host: 127.0.0.1\n  port: 0\n');
  return {
    path: home.path,
    vmId,
    agentId,
    orgId,
    apiKey,
    ca,
    signer,
    setUrl: (url) => security('websocketUrl', url),
    writeConfig,
    [Symbol.asyncDispose]: () => home.remove(),
  };
}
