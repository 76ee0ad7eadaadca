import { z } from 'zod';
import { envelopeSchema } from './dsse.ts';

// How the set of root certificates that an agent trusts is replaced. The orchestrator sends the newest set to agents
// that keep an older one; the agent answers what became of it. Announced by the feature `trust`.

export const TRUST_FEATURE = 'trust';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const pem = z.string().max(8192);
const version = z.number().int().positive();

/**
 * Payload of the envelope that an organization's command root signs. Two things must hold before an agent takes it:
 * that signature, and for each root of the set either that it is pinned already or that a chain of `vouchers` leads
 * from its key to one that is.
 */
export const trustStatementSchema = z.object({
  org_id: z.string(),
  trust_domain: z.string(),
  /** Only grows: a set that is not newer than the kept one is refused. */
  version,
  /** PEM each, the one that signs now first: from now on these are trusted, and no others. */
  roots: z.array(pem).min(1).max(16),
  /** PEM each: roots of before, and keys of roots as certificates of the root before them. */
  vouchers: z.array(pem).max(64),
  /** SHA-256 of the issuing certificate that agents of this organization get theirs from now: others are due. */
  issuing: sha256,
});
export type TrustStatement = z.infer<typeof trustStatementSchema>;

export const trustUpdateMessageSchema = z.object({
  type: z.literal('trust_update'),
  bundle_version: version,
  statement: envelopeSchema,
  /** PEM each: what `ca.crt` holds besides the roots. Trusted only by their chain. */
  issuing: z.array(pem).max(64),
  spread_s: z
    .number()
    .min(0)
    .max(3600)
    .default(20)
    .describe('Who needs another certificate now asks for it at a random moment within this time'),
});
export type TrustUpdate = z.infer<typeof trustUpdateMessageSchema>;

/** From an agent: it keeps this set, or why it does not take it. */
export const trustAckMessageSchema = z.object({
  type: z.literal('trust_ack'),
  bundle_version: version.describe('Of the set that it keeps'),
  refused: z.string().max(500).optional(),
});
export type TrustAck = z.infer<typeof trustAckMessageSchema>;
