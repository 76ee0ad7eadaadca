import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readReleaseKeys } from '../../agent/identity/credentials.ts';
import type { Clock } from '../../base/clock.ts';
import { type DiskLayout, trustEntries } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import type { ReleaseManifest } from '../../protocol/release-manifest.ts';
import type { Owners } from '../files.ts';
import type { Orchestrator } from '../orchestrator.ts';
import { writeRecord } from '../records.ts';
import { openManifest, rotatedKeys } from '../release.ts';

export interface OfferDeps {
  layout: DiskLayout;
  clock: Clock;
  orchestrator: Pick<Orchestrator, 'artifact'>;
  owners(): Promise<Owners>;
  /** Folder that holds manifest and archives, instead of the orchestrator. */
  artifacts: string | undefined;
}

/**
 * The release that is offered, signed by a key that this machine trusts. Which keys those are is the machine's own
 * record; a newer set counts when the set before has signed it, and is kept. @throws AppError `signature_invalid`
 */
export async function offeredRelease(deps: OfferDeps): Promise<ReleaseManifest> {
  const { layout, clock } = deps;
  const known = await readReleaseKeys(layout);
  if (known === undefined) {
    throw new AppError('signature_invalid', {
      detail: `${trustEntries(layout).releaseKeys.path} is missing: this machine does not know who may sign releases.`,
      hint: 'Run vm-agent install with a provisioning token: it takes the keys under the token’s pin.',
    });
  }
  const update = await offeredFile(deps, 'release-keys-update.json');
  const keys = update === undefined ? known : rotatedKeys(known, update);
  const text = await offeredFile(deps, 'manifest.json');
  if (text === undefined) {
    throw new AppError('artifact_not_available', {
      detail: 'The orchestrator does not serve manifest.json.',
      hint: 'Run `npm run build` where the orchestrator was built, and restart it.',
    });
  }
  const manifest = openManifest(text, keys, clock.now());
  if (keys !== known) await writeRecord(trustEntries(layout).releaseKeys, keys, await deps.owners());
  return manifest;
}

async function offeredFile(deps: OfferDeps, name: string): Promise<Buffer | undefined> {
  if (deps.artifacts === undefined) return deps.orchestrator.artifact(name);
  return readFile(join(deps.artifacts, name)).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw cause;
  });
}
