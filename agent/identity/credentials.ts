import type { z } from 'zod';
import { type WriteOptions, writeFileAtomic } from '../../base/atomic-file.ts';
import type { ClientCredentials } from '../../base/tls-client.ts';
import {
  type DiskLayout,
  SECURITY_FILES,
  type SecurityFile,
  securityEntry,
  trustEntries,
} from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import { type AgentId, agentIdSchema, type VmId } from '../../protocol/ids.ts';
import { type ReleaseKeys, releaseKeysSchema } from '../../protocol/release-manifest.ts';
import {
  type CaPinsFile,
  type CommandKeysFile,
  caPinsFileSchema,
  commandKeysFileSchema,
} from '../../protocol/trust-files.ts';
import { pinnedRoots } from './certificates.ts';
import type { FoundPairs } from './pair.ts';
import { readPairs } from './pair-files.ts';
import { readText } from './text-file.ts';
import { parseVmId } from './vm-id.ts';

/** What an enrolled agent holds, all of it read and checked for form. */
export interface Credentials {
  vmId: VmId;
  agentId: AgentId;
  /** Key of the local HTTP interface; never leaves the machine. */
  apiKey: string;
  /** PKCS#8 PEM. */
  key: string;
  /** PEM: the agent's certificate, then the issuing one. */
  certificate: string;
  /** What a renewal has made beside them so far. */
  next?: FoundPairs['next'];
  /** PEM of `ca.crt` as it stands. Trust {@link Credentials.roots}, not this. */
  ca: string;
  /** PEM of those certificates in `ca.crt` that `trust/ca_pins.json` names. */
  roots: readonly string[];
  websocketUrl: string;
  trust: { caPins: CaPinsFile; commandKeys: CommandKeysFile };
}

/** What the TLS client of this agent takes. */
export const clientCredentials = (own: Credentials): ClientCredentials => ({
  ca: own.roots,
  cert: own.certificate,
  key: own.key,
});

/** Text of one file of `security/`, without surrounding white space; undefined when it is not there or empty. */
export async function readSecurityFile(layout: DiskLayout, file: SecurityFile): Promise<string | undefined> {
  const text = (await readText(securityEntry(layout, file).path))?.trim();
  return text === '' ? undefined : text;
}

/** Replaces one file of `security/` in one step, with the mode that the layout gives it. */
export async function writeSecurityFile(
  layout: DiskLayout,
  file: SecurityFile,
  text: string,
  owner?: WriteOptions['owner'],
): Promise<void> {
  const { path, mode } = securityEntry(layout, file);
  await writeFileAtomic(path, `${text.trimEnd()}\n`, { mode, owner });
}

const notEnrolled = (detail: string, cause?: unknown): AppError =>
  new AppError('not_enrolled', {
    detail,
    hint: 'Enroll this machine with `vm-agent install` and a provisioning token.',
    cause,
  });

async function readTrustFile<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw notEnrolled(`${path} cannot be understood.`, cause);
  }
}

export const readCaPins = (layout: DiskLayout): Promise<CaPinsFile | undefined> =>
  readTrustFile(trustEntries(layout).caPins.path, caPinsFileSchema);
export const readCommandKeys = (layout: DiskLayout): Promise<CommandKeysFile | undefined> =>
  readTrustFile(trustEntries(layout).commandKeys.path, commandKeysFileSchema);
export const readReleaseKeys = (layout: DiskLayout): Promise<ReleaseKeys | undefined> =>
  readTrustFile(trustEntries(layout).releaseKeys.path, releaseKeysSchema);

/**
 * Everything that the daemon needs to connect.
 * @throws AppError `not_enrolled` naming what is missing or does not fit together.
 */
export async function readCredentials(layout: DiskLayout): Promise<Credentials> {
  const missing: string[] = [];
  const need = async (file: SecurityFile): Promise<string> => {
    const text = await readSecurityFile(layout, file);
    if (text === undefined) missing.push(`${layout.security}/${SECURITY_FILES[file]}`);
    return text ?? '';
  };
  const vmIdText = await need('vmId');
  const agentIdText = await need('agentId');
  const apiKey = await need('apiKey');
  const pairs = await readPairs(layout);
  const { key, certificate } = pairs?.current ?? {
    key: await need('key'),
    certificate: await need('certificate'),
  };
  const ca = await need('ca');
  const websocketUrl = await need('websocketUrl');
  const caPins = await readCaPins(layout);
  const commandKeys = await readCommandKeys(layout);
  if (caPins === undefined) missing.push(trustEntries(layout).caPins.path);
  if (commandKeys === undefined) missing.push(trustEntries(layout).commandKeys.path);
  if (missing.length > 0 || caPins === undefined || commandKeys === undefined)
    throw notEnrolled(`This machine is not enrolled: ${missing.join(', ')} missing.`);

  const vmId = parseVmId(vmIdText);
  const agentId = agentIdSchema.safeParse(agentIdText);
  if (vmId === undefined) throw notEnrolled(`${layout.security}/vm_id holds no vm_id.`);
  if (!agentId.success) throw notEnrolled(`${layout.security}/agent_id holds no agent_id.`);
  if (commandKeys.agent_id !== agentId.data)
    throw notEnrolled(`${layout.trust} belongs to agent ${commandKeys.agent_id}, not to ${agentId.data}.`);
  const roots = pinnedRoots(ca, caPins.roots).map((root) => root.toString());
  if (roots.length === 0)
    throw notEnrolled(
      `${layout.security}/ca.crt holds no certificate that ${layout.trust}/ca_pins.json names.`,
    );
  return {
    vmId,
    agentId: agentId.data,
    apiKey,
    key,
    certificate,
    next: pairs?.next,
    ca,
    roots,
    websocketUrl,
    trust: { caPins, commandKeys },
  };
}
