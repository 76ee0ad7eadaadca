import type { KeyObject } from 'node:crypto';
import type { z } from 'zod';
import { ed25519PublicKey, noteCrypto, openEnvelope, sha256 } from '../../base/dsse.ts';
import {
  type AuditHeadMessage,
  auditKeyStatementSchema,
  auditLineStatementSchema,
  type KeptCheckpoint,
} from '../../protocol/audit-witness.ts';
import { type Envelope, PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import { verifyConsistency } from '../../protocol/merkle.ts';
import {
  type Checkpoint,
  type NoteKey,
  openCheckpoint,
  parseVerifierKey,
} from '../../protocol/signed-note.ts';
import type { CommandKeysFile } from '../../protocol/trust-files.ts';

export type WitnessVerdict = { kept: KeptCheckpoint } | { refused: string };

/** How many checkpoints of lost logs are kept. */
const MOST_FORMER = 16;

/** Whether what is kept now belongs to a log that a restore has put back. Pure. */
export const isNewLine = (before: KeptCheckpoint | undefined, now: KeptCheckpoint): boolean =>
  now.former?.at(-1) !== undefined && now.former.at(-1)?.root !== before?.former?.at(-1)?.root;

/** What the organization's command root says. */
function statement<S extends z.ZodType<{ org_id: string }>>(
  envelope: Envelope,
  type: string,
  schema: S,
  trust: CommandKeysFile,
): z.output<S> | undefined {
  const roots = new Map<string, KeyObject>(trust.keys.map(({ kid, key }) => [kid, ed25519PublicKey(key)]));
  const bytes = openEnvelope(envelope, type, roots);
  if (bytes === undefined) return undefined;
  const said = schema.safeParse(JSON.parse(bytes.toString('utf8')));
  return said.success && said.data.org_id === trust.organization_id ? said.data : undefined;
}

/** The audit key that the organization's command root vouches for. */
function auditKey(message: AuditHeadMessage, trust: CommandKeysFile): NoteKey | undefined {
  const said = statement(message.key, PAYLOAD_TYPE.auditKey, auditKeyStatementSchema, trust);
  return said && parseVerifierKey(sha256, said.key);
}

/**
 * Whether a checkpoint continues the one that is kept: signed by the same log, no smaller, and with the same events at
 * its beginning. Whoever rewrites the log cannot show that to a witness. A restore from a backup, declared by the
 * command root, is believed once: the log may go on from what came back, and what it lost stays here for ever. Pure.
 */
export function judgeCheckpoint(
  kept: KeptCheckpoint | undefined,
  message: AuditHeadMessage,
  trust: CommandKeysFile,
): WitnessVerdict {
  const key = auditKey(message, trust);
  if (key === undefined) return { refused: 'the command root does not vouch for the key of the audit log' };
  const checkpoint = openCheckpoint(noteCrypto, message.checkpoint, key);
  if (checkpoint === undefined)
    return { refused: 'the checkpoint is not signed by the key of the audit log' };
  const restored =
    message.line && statement(message.line, PAYLOAD_TYPE.auditLine, auditLineStatementSchema, trust);
  const line = Math.max(restored?.epoch ?? 0, kept?.line ?? 0);
  const next: KeptCheckpoint = {
    size: checkpoint.size,
    root: Buffer.from(checkpoint.root).toString('base64'),
    note: message.checkpoint,
    key: message.key,
    // One that cut nothing off is used up as well.
    ...(line === 0 ? {} : { line }),
    ...(kept?.former === undefined ? {} : { former: kept.former }),
  };
  if (kept === undefined) return { kept: next };
  const before = openCheckpoint(noteCrypto, kept.note, key);
  if (before === undefined) return { refused: 'the log has another key than the one of the kept checkpoint' };
  if (
    restored !== undefined &&
    restored.epoch > (kept.line ?? 0) &&
    before.size > restored.size &&
    checkpoint.size >= restored.size
  ) {
    const lost = { size: kept.size, root: kept.root, note: kept.note, line: kept.line ?? 0 };
    return { kept: { ...next, former: [...(kept.former ?? []), lost].slice(-MOST_FORMER) } };
  }
  return judgeNext(kept, before, checkpoint, next, message);
}

function judgeNext(
  kept: KeptCheckpoint,
  before: Checkpoint,
  checkpoint: Checkpoint,
  next: KeptCheckpoint,
  message: AuditHeadMessage,
): WitnessVerdict {
  if (checkpoint.size < before.size)
    return { refused: `the log went back from ${before.size} to ${checkpoint.size} events` };
  // The orchestrator did not know yet what is kept: its proof is for something older. Told so, it proves the rest.
  if (message.from !== before.size && checkpoint.size > before.size) return { kept };
  const continues = verifyConsistency(sha256, {
    from: before,
    to: checkpoint,
    // Of the same size it is the same log or none; no proof changes that.
    proof: checkpoint.size === before.size ? [] : message.proof.map((hash) => Buffer.from(hash, 'base64')),
  });
  return continues
    ? { kept: next }
    : { refused: `the log of ${checkpoint.size} events does not continue the kept one of ${before.size}` };
}
