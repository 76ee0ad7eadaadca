import { createHash } from 'node:crypto';
import { AUDIT_GENESIS, type AuditEvent, auditBytes } from '../../protocol/audit-event.ts';

export type ChainVerdict =
  | { ok: true; entries: number; head: string }
  /** The first entry that does not fit what stands before it. */
  | { ok: false; seq: number; why: string };

/** Walks a chain from its first entry. Pure. What was cut off its end shows only beside a head that somebody else kept. */
export function verifyChain(entries: Iterable<{ event: AuditEvent; hash: string }>): ChainVerdict {
  let prev = AUDIT_GENESIS;
  let seq = 0;
  for (const { event, hash } of entries) {
    seq++;
    if (event.seq !== seq)
      return { ok: false, seq, why: `entry ${seq} is missing; ${event.seq} stands there` };
    if (event.prev !== prev) return { ok: false, seq, why: 'it does not continue the entry before it' };
    if (createHash('sha256').update(auditBytes(event)).digest('hex') !== hash)
      return { ok: false, seq, why: 'it was changed' };
    prev = hash;
  }
  return { ok: true, entries: seq, head: prev };
}
