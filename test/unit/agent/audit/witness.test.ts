import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isNewLine, judgeCheckpoint, type WitnessVerdict } from '../../../../agent/audit/witness.ts';
import { keyId, rawEd25519, type SigningKey, sha256, signEnvelope } from '../../../../base/dsse.ts';
import type { AuditHeadMessage, KeptCheckpoint } from '../../../../protocol/audit-witness.ts';
import { PAYLOAD_TYPE } from '../../../../protocol/dsse.ts';
import { formatVerifierKey, signCheckpoint } from '../../../../protocol/signed-note.ts';

const ORG = 'org-1';
const spki = (key: KeyObject) => key.export({ type: 'spki', format: 'der' });
const newRoot = (): SigningKey & { key: string } => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { kid: keyId(spki(publicKey)), privateKey, key: spki(publicKey).toString('base64') };
};
const root = newRoot();
const trust = {
  organization_id: ORG,
  agent_id: 'agt-1',
  trust_domain: 'x',
  keys: [{ kid: root.kid, key: root.key }],
};
const logKeys = generateKeyPairSync('ed25519');
const logKey = { name: 'x/audit/org-1', publicKey: rawEd25519(logKeys.publicKey) };

interface Line {
  epoch: number;
  size: number;
  by?: SigningKey;
  org?: string;
}

/** A checkpoint of a log whose events are named by `which`, and what is declared with it. */
function head(size: number, which: string, line?: Line): AuditHeadMessage {
  const note = signCheckpoint(
    sha256,
    {
      origin: logKey.name,
      size,
      root: createHash('sha256').update(`${which}/${size}`).digest(),
      retained: 0,
    },
    { ...logKey, sign: (message) => sign(null, message, logKeys.privateKey) },
  );
  return {
    type: 'audit_head',
    checkpoint: note,
    from: 0,
    proof: [],
    key: signEnvelope(PAYLOAD_TYPE.auditKey, { org_id: ORG, key: formatVerifierKey(sha256, logKey) }, root),
    ...(line === undefined
      ? {}
      : {
          line: signEnvelope(
            PAYLOAD_TYPE.auditLine,
            {
              org_id: line.org ?? ORG,
              epoch: line.epoch,
              size: line.size,
              restored_at: '2026-01-01T00:00:00.000Z',
            },
            line.by ?? root,
          ),
        }),
  };
}
const keptOf = (verdict: WitnessVerdict): KeptCheckpoint => {
  if ('refused' in verdict) throw new Error(verdict.refused);
  return verdict.kept;
};
const judge = (kept: KeptCheckpoint | undefined, message: AuditHeadMessage) =>
  judgeCheckpoint(kept, message, trust);
const first = keptOf(judge(undefined, head(100, 'lost')));

describe('[audit-6] a witness of a log that a restore has put back', () => {
  it('goes on with what came back when the command root says so, and keeps what it had seen', () => {
    const next = keptOf(judge(first, head(62, 'restored', { epoch: 9, size: 60 })));
    expect(next).toMatchObject({ size: 62, line: 9, former: [{ size: 100, root: first.root, line: 0 }] });
    expect(isNewLine(first, next)).toBe(true);
  });

  it('believes each restore once: what is rewritten afterwards is refused', () => {
    const next = keptOf(judge(first, head(62, 'restored', { epoch: 9, size: 60 })));
    expect(judge(next, head(61, 'rewritten', { epoch: 9, size: 60 }))).toHaveProperty('refused');
    expect(judge(next, head(62, 'rewritten', { epoch: 9, size: 10 }))).toHaveProperty('refused');
    expect(judge(next, head(62, 'rewritten', { epoch: 8, size: 10 }))).toHaveProperty('refused');
  });

  it('uses up a restore that cut off nothing which it had seen', () => {
    const young = keptOf(judge(undefined, head(50, 'log', { epoch: 9, size: 60 })));
    expect(young).toMatchObject({ size: 50, line: 9 });
    const grown = { ...keptOf(judge(undefined, head(80, 'log'))), line: 9 };
    expect(judge(grown, head(70, 'rewritten', { epoch: 9, size: 60 }))).toHaveProperty('refused');
  });

  it.each<[string, AuditHeadMessage]>([
    ['nobody declared it', head(62, 'restored')],
    ['another key declared it', head(62, 'restored', { epoch: 9, size: 60, by: newRoot() })],
    ['it was declared for another organization', head(62, 'restored', { epoch: 9, size: 60, org: 'org-2' })],
    ['fewer events came than were declared', head(50, 'restored', { epoch: 9, size: 60 })],
    ['all that it had seen is said to be there', head(62, 'restored', { epoch: 9, size: 100 })],
  ])('refuses a smaller log when %s', (_why, message) => {
    expect(judge(first, message)).toHaveProperty('refused');
  });
});
