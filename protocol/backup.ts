import { z } from 'zod';

/** Name of the last entry of a backup: without it the rest is not whole. */
export const BACKUP_MANIFEST = 'manifest.json';
export const BACKUP_FORMAT = 'vm-orchestrator-backup';

const count = z.number().int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** What a backup of an orchestrator is, and what each of its files must hash to. Newer versions may add fields. */
export const backupManifestSchema = z.object({
  format: z.literal(BACKUP_FORMAT),
  version: z.literal(1),
  made_at: z.iso.datetime().describe('The last moment that the backup knows'),
  program_version: z.string(),
  schema: z.string().describe('Newest migration of the store'),
  ca_fingerprint: z.string().describe('SHA-256 of the root certificate’s DER, hex'),
  organizations: count,
  agents: count,
  master_key: z.enum(['none', 'plain', 'sealed']).describe('sealed: with a passphrase'),
  files: z.array(z.object({ name: z.string().max(512), size: count, sha256 })),
});
export type BackupManifest = z.infer<typeof backupManifestSchema>;

/** `master.key` sealed with a passphrase: scrypt, then AES-256-GCM. */
export const sealedMasterKeySchema = z.object({
  kdf: z.literal('scrypt'),
  n: z
    .number()
    .int()
    .min(2 ** 14)
    .max(2 ** 20),
  r: z.number().int().min(1).max(32),
  p: z.number().int().min(1).max(16),
  salt: z.base64(),
  /** As the store writes sealed secrets. */
  sealed: z.string().max(1024),
});
export type SealedMasterKey = z.infer<typeof sealedMasterKeySchema>;
