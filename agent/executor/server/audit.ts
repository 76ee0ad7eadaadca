import type { KeyObject } from 'node:crypto';
import {
  ed25519OfRaw,
  keyId,
  openEnvelope,
  type SigningKey,
  sha256,
  signEnvelope,
} from '../../../base/dsse.ts';
import {
  type AgentHead,
  auditKeyStatementSchema,
  countersignedHeadSchema,
  type KeptCheckpoint,
} from '../../../protocol/audit-witness.ts';
import { type Envelope, PAYLOAD_TYPE } from '../../../protocol/dsse.ts';
import type { FromExecutor, ToExecutor } from '../../../protocol/executor.ts';
import { parseVerifierKey } from '../../../protocol/signed-note.ts';
import type { CommandKeysFile } from '../../../protocol/trust-files.ts';
import { isNewLine, judgeCheckpoint, type WitnessVerdict } from '../../audit/witness.ts';
import type { Ledger } from './ledger.ts';

type Ask = Extract<ToExecutor, { type: 'audit' }>;
type Answer = Extract<FromExecutor, { type: 'audit' }>;

/** The key of the orchestrator's log, as the kept checkpoint was checked with it. */
function logKeys(kept: KeptCheckpoint | undefined): ReadonlyMap<string, KeyObject> {
  const payload = kept === undefined ? 'null' : Buffer.from(kept.key.payload, 'base64').toString('utf8');
  const statement = auditKeyStatementSchema.safeParse(JSON.parse(payload));
  const key = statement.success ? parseVerifierKey(sha256, statement.data.key) : undefined;
  if (key === undefined) return new Map();
  const object = ed25519OfRaw(key.publicKey);
  return new Map([[keyId(object.export({ type: 'spki', format: 'der' })), object]]);
}

/** A counter-signature by the key of the log whose checkpoint is kept here, for this very agent. */
function openCosign(envelope: Envelope, kept: KeptCheckpoint | undefined, agentId: string) {
  const bytes = openEnvelope(envelope, PAYLOAD_TYPE.auditHead, logKeys(kept));
  const said = bytes && countersignedHeadSchema.safeParse(JSON.parse(bytes.toString('utf8'))).data;
  return said?.agent_id === agentId ? said : undefined;
}

/**
 * The executor as a witness: what it keeps is in root's database, where the daemon cannot change it, and the head of
 * its own chain is signed with its own key.
 */
export function answerAudit(
  of: {
    ledger: Ledger;
    trust: CommandKeysFile | undefined;
    attest: { agentId: string; key: SigningKey } | undefined;
  },
  ask: Ask,
): Answer {
  const { ledger, trust, attest } = of;
  let verdict: WitnessVerdict | undefined;
  if (ask.show !== undefined) {
    const { show } = ask;
    const before = ledger.kept();
    verdict =
      trust === undefined
        ? { refused: 'this machine trusts no command root yet' }
        : ledger.witness((kept) => judgeCheckpoint(kept, show, trust));
    if ('refused' in verdict) ledger.record('witness.refused', { why: verdict.refused });
    else if (isNewLine(before, verdict.kept))
      ledger.record('witness.restored', {
        epoch: verdict.kept.line,
        lost_size: before?.size,
        lost_root: before?.root,
        size: verdict.kept.size,
      });
  }
  const kept = ledger.kept();
  if (ask.cosign !== undefined && trust !== undefined) {
    const said = openCosign(ask.cosign, kept, trust.agent_id);
    if (said !== undefined) ledger.keepCosigned(said);
  }
  const { seq, hash } = ledger.head;
  const head: AgentHead = {
    seq,
    hash,
    ...(attest === undefined
      ? {}
      : {
          attestation: signEnvelope(
            PAYLOAD_TYPE.auditHead,
            { agent_id: attest.agentId, seq, hash },
            attest.key,
          ),
        }),
  };
  return {
    type: 'audit',
    n: ask.n,
    head,
    ...(kept === undefined ? {} : { kept }),
    ...(verdict !== undefined && 'refused' in verdict ? { refused: verdict.refused } : {}),
  };
}
