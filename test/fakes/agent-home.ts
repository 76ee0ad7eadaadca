import { mkdir, writeFile } from 'node:fs/promises';
import { writeSecurityFile } from '../../agent/identity/credentials.ts';
import { systemClock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { directories, diskLayout, type SecurityFile, trustEntries } from '../../protocol/disk-layout.ts';
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

type Identity = Partial<Record<SecurityFile, string>>;

async function writeIdentity(home: string, identity: Identity): Promise<void> {
  for (const [file, text] of Object.entries(identity))
    await writeSecurityFile(diskLayout(home), file as SecurityFile, text);
}

const writeConfig = (home: string, yaml: string): Promise<void> =>
  writeFile(`${diskLayout(home).config}/agent_config.yaml`, yaml);

export interface Enrolled {
  identity: Identity;
  /** SHA-256 of the root's DER, hex. */
  rootPin: string;
  /** What the file of the command keys holds. */
  commandKeys: object;
}

/** What the installer leaves on a machine that it enrolled, but for programs. The agent listens on a free port. */
export async function writeEnrolledHome(home: string, enrolled: Enrolled): Promise<void> {
  const layout = diskLayout(home);
  for (const { path } of directories(layout)) await mkdir(path, { recursive: true, mode: 0o700 });
  await writeIdentity(home, enrolled.identity);
  const trust = trustEntries(layout);
  await writeFile(trust.caPins.path, JSON.stringify({ bundle_version: 1, roots: [enrolled.rootPin] }));
  await writeFile(trust.commandKeys.path, JSON.stringify(enrolled.commandKeys));
  await writeConfig(home, 'server:\n  host: 127.0.0.1\n  port: 0\n');
}

export async function createAgentHome(options: { ca?: TestCa } = {}): Promise<AgentHome> {
  const home = await createTempHome();
  const orgId = options.ca?.orgId ?? newId('org', systemClock);
  const ca = options.ca ?? (await createTestCa({ orgId }));
  const agentId = newId('agt', systemClock);
  const vmId = 'vm-test-0a1b2c';
  const apiKey = 'test-key-of-this-machine';
  const own = await ca.agent(agentId);
  const signer = createCommandSigner({ orgId, agentId, trustDomain: ca.trustDomain });
  await writeEnrolledHome(home.path, {
    identity: { vmId, apiKey, agentId, ...own, ca: ca.rootPem + ca.issuingPem },
    rootPin: ca.rootPin,
    commandKeys: signer.trust,
  });
  return {
    path: home.path,
    vmId,
    agentId,
    orgId,
    apiKey,
    ca,
    signer,
    setUrl: (websocketUrl) => writeIdentity(home.path, { websocketUrl }),
    writeConfig: (yaml) => writeConfig(home.path, yaml),
    [Symbol.asyncDispose]: () => home.remove(),
  };
}
