import type { KeyObject } from 'node:crypto';
import { ed25519PublicKey, noteCrypto, openEnvelope, sha256 } from '../../base/dsse.ts';
import {
  type AuditHeadMessage,
  auditKeyStatementSchema,
  type KeptCheckpoint,
} from '../../protocol/audit-witness.ts';
import { PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import { verifyConsistency } from '../../protocol/merkle.ts';
import { type NoteKey, openCheckpoint, parseVerifierKey } from '../../protocol/signed-note.ts';
import type { CommandKeysFile } from '../../protocol/trust-files.ts';

export type WitnessVerdict = { kept: KeptCheckpoint } | { refused: string };

/** The audit key that the organization's command root vouches for. */
function auditKey(message: AuditHeadMessage, trust: CommandKeysFile): NoteKey | undefined {
  const roots = new Map<string, KeyObject>(trust.keys.map(({ kid, key }) => [kid, ed25519PublicKey(key)]));
  const bytes = openEnvelope(message.key, PAYLOAD_TYPE.auditKey, roots);
  if (bytes === undefined) return undefined;
  const statement = auditKeyStatementSchema.safeParse(JSON.parse(bytes.toString('utf8')));
  if (!statement.success || statement.data.org_id !== trust.organization_id) return undefined;
  return parseVerifierKey(sha256, statement.data.key);
}

/**
 * Whether a checkpoint continues the one that is kept: signed by the same log, no smaller, and with the same events at
 * its beginning. Whoever rewrites the log cannot show that to a witness. Pure.
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
  const next = {
    size: checkpoint.size,
    root: Buffer.from(checkpoint.root).toString('base64'),
    note: message.checkpoint,
    key: message.key,
  };
  if (kept === undefined) return { kept: next };
  const before = openCheckpoint(noteCrypto, kept.note, key);
  if (before === undefined) return { refused: 'the log has another key than the one of the kept checkpoint' };
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
