import { createHash } from 'node:crypto';
import { AUDIT_GENESIS, type AuditEvent, auditBytes } from '../../protocol/audit-event.ts';

export type ChainVerdict =
  | { ok: true; entries: number; head: string }
  /** The first entry that does not fit what stands before it. */
  | { ok: false; seq: number; why: string };

/**
 * Walks a chain from its first entry. Pure. What was cut off its end, or hashed anew as a whole, shows only beside a
 * head that somebody else kept: `cosigned` is the highest one that the orchestrator counter-signed.
 */
export function verifyChain(
  entries: Iterable<{ event: AuditEvent; hash: string }>,
  cosigned?: { seq: number; hash: string },
): ChainVerdict {
  let prev = AUDIT_GENESIS;
  let seq = 0;
  for (const { event, hash } of entries) {
    seq++;
    if (event.seq !== seq)
      return { ok: false, seq, why: `entry ${seq} is missing; ${event.seq} stands there` };
    if (event.prev !== prev) return { ok: false, seq, why: 'it does not continue the entry before it' };
    if (createHash('sha256').update(auditBytes(event)).digest('hex') !== hash)
      return { ok: false, seq, why: 'it was changed' };
    if (cosigned?.seq === seq && cosigned.hash !== hash)
      return { ok: false, seq, why: 'the orchestrator counter-signed another entry there' };
    prev = hash;
  }
  if (cosigned !== undefined && cosigned.seq > seq)
    return {
      ok: false,
      seq: seq + 1,
      why: `the orchestrator counter-signed ${cosigned.seq} entries, and there are ${seq}`,
    };
  return { ok: true, entries: seq, head: prev };
}
