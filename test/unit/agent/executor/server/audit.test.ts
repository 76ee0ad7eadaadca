import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { answerAudit } from '../../../../../agent/executor/server/audit.ts';
import { Ledger } from '../../../../../agent/executor/server/ledger.ts';
import { keyId, openEnvelope, sha256, signEnvelope } from '../../../../../base/dsse.ts';
import { attestedHeadSchema } from '../../../../../protocol/audit-witness.ts';
import { PAYLOAD_TYPE } from '../../../../../protocol/dsse.ts';
import { fromExecutorSchema } from '../../../../../protocol/executor.ts';
import { createTempHome, type TempHome } from '../../../../fakes/temp-home.ts';
import { ORG, startLogRig } from '../../../orchestrator/audit/rig.ts';

const AGENT = `agt-${'0'.repeat(26)}`;
let home: TempHome;
let ledger: Ledger;
beforeEach(async () => {
  home = await createTempHome();
  ledger = new Ledger({ file: home.join('executor.db'), clock: { now: () => 0 } });
  ledger.record('command.taken', { id: 'cmd-1' });
});
afterEach(async () => {
  ledger.close();
  await home.remove();
});

/** What an orchestrator shows: its checkpoint, and the command root's word for its key. */
async function orchestratorSide() {
  const rig = await startLogRig();
  await rig.fill(5);
  const key = await rig.key();
  if (key === undefined) throw new Error('no key');
  const root = await rig.keys.root(ORG);
  const statement = await rig.keys.vouch(ORG, PAYLOAD_TYPE.auditKey, { org_id: ORG, key: key.text });
  const checkpoint = key.checkpoint({ size: 5, root: sha256(Buffer.from('x')), retained: 0 });
  const trust = {
    organization_id: ORG,
    agent_id: AGENT,
    trust_domain: 'x',
    keys: [{ kid: root.kid, key: root.publicKey }],
  };
  return {
    rig,
    key,
    trust,
    show: { type: 'audit_head' as const, checkpoint, from: 0, proof: [], key: statement },
  };
}

it('[audit-6] the executor keeps a checkpoint in its own database, and refuses one that goes back, on record', async () => {
  const { rig, key, trust, show } = await orchestratorSide();
  const answer = answerAudit({ ledger, trust, attest: undefined }, { type: 'audit', n: 1, show });
  expect(fromExecutorSchema.parse(answer)).toMatchObject({ n: 1, kept: { size: 5 }, head: { seq: 1 } });
  expect(ledger.kept()).toMatchObject({ size: 5, note: show.checkpoint });
  const older = key.checkpoint({ size: 4, root: sha256(Buffer.from('y')), retained: 0 });
  const refused = answerAudit(
    { ledger, trust, attest: undefined },
    { type: 'audit', n: 2, show: { ...show, checkpoint: older } },
  );
  expect(refused).toMatchObject({ refused: expect.stringContaining('went back'), kept: { size: 5 } });
  expect([...ledger.entries(1)].map(({ event }) => event.action)).toEqual(['witness.refused']);
  expect(ledger.forgetKept()).toBe(true);
  expect(ledger.kept()).toBeUndefined();
  await rig[Symbol.asyncDispose]();
});

it('[audit-7] the executor signs its head, and keeps a counter-signature for itself alone', async () => {
  const { rig, key, trust, show } = await orchestratorSide();
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const kid = keyId(publicKey.export({ type: 'spki', format: 'der' }));
  const of = { ledger, trust, attest: { agentId: AGENT, key: { kid, privateKey } } };
  const { head } = answerAudit(of, { type: 'audit', n: 1, show });
  if (head === undefined) throw new Error('no head');
  const bytes =
    head.attestation && openEnvelope(head.attestation, PAYLOAD_TYPE.auditHead, new Map([[kid, publicKey]]));
  expect(attestedHeadSchema.parse(JSON.parse(String(bytes)))).toEqual({ agent_id: AGENT, ...ledger.head });

  const countersign = (agentId: string, signing = key.signing) =>
    signEnvelope(
      PAYLOAD_TYPE.auditHead,
      { agent_id: agentId, ...ledger.head, at: '2026-01-01T00:00:00.000Z' },
      signing,
    );
  answerAudit(of, { type: 'audit', n: 2, cosign: countersign(`agt-${'1'.repeat(26)}`) });
  answerAudit(of, { type: 'audit', n: 3, cosign: countersign(AGENT, { kid: key.signing.kid, privateKey }) });
  expect(ledger.cosigned).toBeUndefined();
  answerAudit(of, { type: 'audit', n: 4, cosign: countersign(AGENT) });
  expect(ledger.cosigned).toMatchObject(ledger.head);
  await rig[Symbol.asyncDispose]();
});
