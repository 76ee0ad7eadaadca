import { z } from 'zod';
import { envelopeSchema } from '../../protocol/dsse.ts';
import { releaseManifestSchema } from '../../protocol/release-manifest.ts';
import { agentListSchema } from '../../protocol/rest-fleet.ts';
import { type RestOptions, restOf, type SeenAgent } from '../program/rest.ts';
import type { Snapshot } from './decide.ts';

const versionSchema = releaseManifestSchema.pick({ version: true });
const agentsSchema = z.array(
  agentListSchema.shape.items.element.pick({
    agent_id: true,
    vm_id: true,
    hostname: true,
    state: true,
    online: true,
    version: true,
    labels: true,
    reported_labels: true,
  }),
);

/**
 * Asks the orchestrator what it knows; only reads, so that a preview may. The manifest's signature is not checked
 * here: every machine checks it before it installs.
 * @throws Error with a text for people
 */
export async function takeSnapshot(options: RestOptions, now: Date): Promise<Snapshot> {
  const rest = restOf(options);
  const [agents, manifest] = await Promise.all([
    rest.agents('all'),
    rest.file('/artifacts/manifest.json').then(versionOf),
  ]);
  const parsed = agentsSchema.safeParse(agents);
  if (!parsed.success) throw notUnderstood(options.url);
  const served = manifest ?? '';
  if (served === '') throw notUnderstood(options.url);
  return { agents: parsed.data as SeenAgent[], served, now: nameOf(now) };
}

const notUnderstood = (url: string): Error =>
  new Error(
    `${url} answered something that these components do not understand. Is it a vm-agent orchestrator, and about as new as the package vm-agent here?`,
  );

function versionOf(bytes: Buffer): string | undefined {
  try {
    const { payload } = envelopeSchema.parse(JSON.parse(bytes.toString('utf8')));
    return versionSchema.parse(JSON.parse(Buffer.from(payload, 'base64').toString('utf8'))).version;
  } catch {
    return undefined;
  }
}

/** A time as a label's value: `20261127T163207Z`. */
const nameOf = (time: Date): string =>
  time
    .toISOString()
    .replaceAll(/[-:]/g, '')
    .replace(/\.\d+Z$/, 'Z');
