import { z } from 'zod';
import { envelopeSchema } from './dsse.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
export const platformSchema = z.enum(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64']);
export type Platform = z.infer<typeof platformSchema>;

export const releaseFileSchema = z.object({
  name: z.string(),
  /** `agent`: the bundle and its units; `runtime`: the pinned Node for one platform. */
  kind: z.enum(['agent', 'runtime']),
  platform: platformSchema.optional(),
  sha256,
  size: z.number().int().nonnegative(),
});
export type ReleaseFile = z.infer<typeof releaseFileSchema>;

/** Payload of the signed release manifest. `sequence` only grows, so that an old release cannot pass for a new one. */
export const releaseManifestSchema = z.object({
  version: z.string(),
  sequence: z.number().int().nonnegative(),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
  files: z.array(releaseFileSchema),
});
export type ReleaseManifest = z.infer<typeof releaseManifestSchema>;

export const signedReleaseSchema = envelopeSchema;

/** The set of keys that may sign releases; a new set is signed by the one before it. */
export const releaseKeysSchema = z.object({
  version: z.number().int().positive(),
  keys: z
    .array(z.object({ kid: z.string(), key: z.base64().describe('Ed25519 public key, SPKI DER') }))
    .min(1),
});
export type ReleaseKeys = z.infer<typeof releaseKeysSchema>;

/** How an older set becomes the present one: sets in their order, each signed by a key of the set before it. */
export const releaseKeysUpdateSchema = z.object({ updates: z.array(envelopeSchema).max(64) });
