import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keyId, signEnvelope } from '../../base/dsse.ts';
import { PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import {
  platformSchema,
  type ReleaseFile,
  type ReleaseKeys,
  type ReleaseManifest,
  releaseKeysSchema,
  releaseManifestSchema,
} from '../../protocol/release-manifest.ts';
import type { ReleaseKey } from './release-key.ts';

const VALID_DAYS = 365;

export interface Artifact {
  readonly kind: 'agent' | 'runtime';
  readonly platform?: string;
  readonly body: Buffer;
}

/** Writes the archives, each named by its SHA-256, and the signed manifest. Answers the names that it wrote. */
export function writeRelease(options: {
  folder: string;
  version: string;
  artifacts: readonly Artifact[];
  key: ReleaseKey;
  /** Milliseconds since the epoch. */
  now: number;
}): string[] {
  const { folder, version, artifacts, key, now } = options;
  mkdirSync(folder, { recursive: true });
  const files = artifacts.map(({ kind, platform, body }): ReleaseFile => {
    const sha256 = createHash('sha256').update(body).digest('hex');
    const name = `${sha256}.tar.gz`;
    writeFileSync(join(folder, name), body);
    return {
      name,
      kind,
      sha256,
      size: body.length,
      ...(platform && { platform: platformSchema.parse(platform) }),
    };
  });
  const manifest: ReleaseManifest = releaseManifestSchema.parse({
    version,
    // Seconds since the epoch: it grows with each build, and needs no counter that two machines would share.
    sequence: Math.floor(now / 1000),
    created_at: new Date(now).toISOString(),
    expires_at: new Date(now + VALID_DAYS * 86_400_000).toISOString(),
    files,
  });
  const kid = keyId(key.publicKey);
  const keys: ReleaseKeys = releaseKeysSchema.parse({
    version: 1,
    keys: [{ kid, key: key.publicKey.toString('base64') }],
  });
  const envelope = signEnvelope(PAYLOAD_TYPE.release, manifest, { kid, privateKey: key.privateKey });
  const written: Record<string, string> = {
    'release-keys.json': `${JSON.stringify(keys, null, 2)}\n`,
    // The same list for a shell: sha256, size, kind, platform.
    'manifest.txt': files
      .map((file) => `${file.sha256} ${file.size} ${file.kind} ${file.platform ?? '-'}\n`)
      .join(''),
    'manifest.json': `${JSON.stringify(envelope, null, 2)}\n`,
  };
  for (const [name, text] of Object.entries(written)) writeFileSync(join(folder, name), text);
  return [...files.map((file) => file.name), ...Object.keys(written)];
}
