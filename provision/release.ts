import type { KeyObject } from 'node:crypto';
import { isoTime } from '../base/clock.ts';
import { ed25519PublicKey, openEnvelope } from '../base/dsse.ts';
import { PAYLOAD_TYPE } from '../protocol/dsse.ts';
import { AppError } from '../protocol/errors.ts';
import {
  type Platform,
  type ReleaseFile,
  type ReleaseKeys,
  type ReleaseManifest,
  releaseKeysSchema,
  releaseKeysUpdateSchema,
  releaseManifestSchema,
  signedReleaseSchema,
} from '../protocol/release-manifest.ts';

const refuse = (detail: string, cause?: unknown): AppError =>
  new AppError('signature_invalid', {
    detail,
    hint: 'Build the release again on the orchestrator (npm run build) and restart it; if it was not changed there, somebody changed it on the way.',
    cause,
  });

function parseJson<T>(text: Buffer, name: string, parse: (value: unknown) => T): T {
  try {
    return parse(JSON.parse(text.toString('utf8')));
  } catch (cause) {
    throw refuse(`The orchestrator's ${name} cannot be understood.`, cause);
  }
}

export const parseReleaseKeys = (text: Buffer): ReleaseKeys =>
  parseJson(text, 'release-keys.json', releaseKeysSchema.parse);

function keyMap({ keys }: ReleaseKeys): Map<string, KeyObject> {
  try {
    return new Map(keys.map(({ kid, key }) => [kid, ed25519PublicKey(key)]));
  } catch (cause) {
    throw refuse('A release key that should vouch for the release is no Ed25519 key.', cause);
  }
}

/**
 * The newest set of release keys that a chain of updates leads to. Each set counts when a key of the set before it has
 * signed it; sets up to the known one are passed over. @throws AppError `signature_invalid`
 */
export function rotatedKeys(known: ReleaseKeys, updates: Buffer): ReleaseKeys {
  const chain = parseJson(updates, 'release-keys-update.json', releaseKeysUpdateSchema.parse);
  let keys = known;
  for (const envelope of chain.updates) {
    const claimed = parseJson(
      Buffer.from(envelope.payload, 'base64'),
      'release-keys-update.json',
      releaseKeysSchema.parse,
    );
    if (claimed.version <= keys.version) continue;
    if (openEnvelope(envelope, PAYLOAD_TYPE.releaseKeys, keyMap(keys)) === undefined)
      throw refuse(
        `Version ${claimed.version} of the release keys is not signed by version ${keys.version}.`,
      );
    keys = claimed;
  }
  return keys;
}

/**
 * The manifest, if a release key signed it and it has not expired.
 * @throws AppError `signature_invalid`
 */
export function openManifest(text: Buffer, keys: ReleaseKeys, nowMs: number): ReleaseManifest {
  const envelope = parseJson(text, 'manifest.json', signedReleaseSchema.parse);
  const payload = openEnvelope(envelope, PAYLOAD_TYPE.release, keyMap(keys));
  if (payload === undefined) throw refuse('The release is not signed by a release key of this orchestrator.');
  const manifest = parseJson(payload, 'manifest.json', releaseManifestSchema.parse);
  if (nowMs >= Date.parse(manifest.expires_at))
    throw refuse(
      `The release ${manifest.version} expired at ${manifest.expires_at} (now ${isoTime(nowMs)}).`,
    );
  return manifest;
}

export interface PlatformFiles {
  agent: ReleaseFile;
  runtime: ReleaseFile;
}

/** The two archives that this machine needs. @throws AppError `artifact_not_available` */
export function filesFor(manifest: ReleaseManifest, platform: Platform): PlatformFiles {
  const agent = manifest.files.find((file) => file.kind === 'agent');
  const runtime = manifest.files.find((file) => file.kind === 'runtime' && file.platform === platform);
  if (agent === undefined || runtime === undefined) {
    throw new AppError('artifact_not_available', {
      detail: `The orchestrator's release has no ${agent === undefined ? 'agent' : `runtime for ${platform}`}.`,
      hint: 'Run `npm run build -- --all-platforms` where the orchestrator was built, and restart it.',
    });
  }
  return { agent, runtime };
}
