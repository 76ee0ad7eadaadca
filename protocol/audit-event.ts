import { z } from 'zod';

/** One entry of the executor's audit chain: each carries the hash of the one before it. */
export const auditEventSchema = z.object({
  seq: z.number().int().positive(),
  at: z.iso.datetime(),
  /** `<noun>.<verb>`, e.g. `command.refused`. */
  action: z.string(),
  detail: z.record(z.string(), z.unknown()).describe('Never a secret, and no text of a command'),
  prev: z.string().regex(/^[0-9a-f]{64}$/),
});
export type AuditEvent = z.infer<typeof auditEventSchema>;

/** `prev` of the first entry. */
export const AUDIT_GENESIS = '0'.repeat(64);

/** The exact bytes whose SHA-256 is an entry's hash: a fixed order of fields, so that every verifier hashes the same. */
export const auditBytes = ({ seq, at, action, detail, prev }: AuditEvent): string =>
  JSON.stringify([prev, seq, at, action, detail]);
