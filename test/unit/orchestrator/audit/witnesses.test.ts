import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { judgeCheckpoint } from '../../../../agent/audit/witness.ts';
import { ed25519PublicKey, keyId, openEnvelope, signEnvelope } from '../../../../base/dsse.ts';
import { selectEvents } from '../../../../orchestrator/audit/events.ts';
import {
  type AuditCosign,
  type AuditHeadMessage,
  countersignedHeadSchema,
  type KeptCheckpoint,
} from '../../../../protocol/audit-witness.ts';
import { PAYLOAD_TYPE } from '../../../../protocol/dsse.ts';
import { insertAgent } from '../../../fakes/store-rows.ts';
import { ORG, startLogRig } from './rig.ts';

type Rig = Awaited<ReturnType<typeof startLogRig>>;
const AGENT = `agt-${'0'.repeat(26)}`;
const hash = (digit: string) => digit.repeat(64);

/** An orchestrator's side with one agent that does as it should, and what passed between them. */
async function connected(rig: Rig, features = ['audit']) {
  const audit = rig.start();
  const root = await rig.keys.root(ORG);
  const trust = {
    organization_id: ORG,
    agent_id: AGENT,
    trust_domain: 'x',
    keys: [{ kid: root.kid, key: root.publicKey }],
  };
  const sent: (AuditHeadMessage | AuditCosign)[] = [];
  const session = {
    agent: { organizationId: ORG, agentId: AGENT, vmId: 'vm-web-a1b2c3' },
    sendHint: (message: AuditHeadMessage | AuditCosign) => void sent.push(message),
  };
  let kept: KeptCheckpoint | undefined;
  return {
    audit,
    sent,
    session,
    trust,
    kept: () => kept,
    open: (hello: Partial<Parameters<typeof audit.witnesses.opened>[1]> = {}) => {
      audit.witnesses.opened(session, { features, ...(kept && { audit_witness: kept }), ...hello });
      return audit.witnesses.idle();
    },
    beat: (audit_head?: { seq: number; hash: string }) => {
      audit.witnesses.heartbeat(session, { audit_head });
      return audit.witnesses.idle();
    },
    /** As the agent answers the last checkpoint. */
    answer: async () => {
      const message = sent.findLast((one) => one.type === 'audit_head');
      if (message === undefined) throw new Error('no checkpoint was sent');
      const verdict = judgeCheckpoint(kept, message, trust);
      if ('kept' in verdict) {
        kept = verdict.kept;
        audit.witnesses.cosigned(session, { kept });
      } else audit.witnesses.cosigned(session, verdict);
      await audit.witnesses.idle();
      return verdict;
    },
    alarms: async () =>
      (await selectEvents(rig.store.db, ORG).where('action', 'like', 'audit.%').orderBy('id').execute()).map(
        ({ action, detail }) => [action, JSON.parse(detail)],
      ),
  };
}

async function withAgentRow(rig: Rig, executorKey: string | null = null) {
  await insertAgent(rig.store.db, {
    organization_id: ORG,
    id: AGENT,
    vm_id: 'vm-web-a1b2c3',
    executor_public_key: executorKey,
  });
}

describe('[audit-6] an agent as a witness', () => {
  it('is shown each newer checkpoint with the proof that it continues the one it keeps', async () => {
    await using rig = await startLogRig();
    await withAgentRow(rig);
    await rig.fill(10);
    const agent = await connected(rig);
    await agent.open();
    expect(await agent.answer()).toMatchObject({ kept: { size: 10 } });
    await rig.fill(300, 150);
    await agent.beat();
    expect(agent.sent.at(-1)).toMatchObject({ type: 'audit_head', from: 10 });
    expect(await agent.answer()).toMatchObject({ kept: { size: 310 } });
    await agent.beat();
    expect(agent.sent).toHaveLength(2);
    expect(agent.audit.witnesses.kept(ORG)).toEqual([{ who: 'vm-web-a1b2c3', note: agent.kept()?.note }]);
    expect((await agent.audit.verify(ORG, [])).witnesses).toEqual([
      { who: 'vm-web-a1b2c3', size: 310, agrees: true },
    ]);
    agent.audit.witnesses.gone(AGENT);
    // What it kept when it was last seen is in the store.
    expect((await agent.audit.verify(ORG, [])).witnesses).toHaveLength(1);
    await agent.audit.close();
  });

  it('is not alarmed by an orchestrator that does not know yet what it keeps', async () => {
    await using rig = await startLogRig();
    await withAgentRow(rig);
    await rig.fill(10);
    const agent = await connected(rig);
    await agent.open();
    await agent.answer();
    await rig.fill(5);
    await agent.beat();
    const offered = agent.sent.filter((one) => one.type === 'audit_head');
    const [first, second] = offered.slice(-2);
    if (first === undefined || second === undefined) throw new Error('two checkpoints were offered');
    // The answer to the second is on its way when the same offer, and one that is proven from the first alone, come.
    expect(await agent.answer()).toMatchObject({ kept: { size: 15 } });
    expect(judgeCheckpoint(agent.kept(), second, agent.trust)).toMatchObject({ kept: { size: 15 } });
    await rig.fill(5);
    await agent.beat();
    const third = agent.sent.at(-1);
    if (third?.type !== 'audit_head') throw new Error('a third checkpoint was offered');
    const stale = { ...third, from: 10, proof: [] };
    expect(judgeCheckpoint(agent.kept(), stale, agent.trust)).toEqual({ kept: agent.kept() });
    expect(judgeCheckpoint(agent.kept(), third, agent.trust)).toMatchObject({ kept: { size: 20 } });
    expect(judgeCheckpoint(agent.kept(), { ...third, proof: [] }, agent.trust)).toHaveProperty('refused');
    await agent.audit.close();
  });

  it('is left alone when it does not know of it', async () => {
    await using rig = await startLogRig();
    await withAgentRow(rig);
    await rig.fill(10);
    const agent = await connected(rig, []);
    await agent.open();
    await agent.beat({ seq: 1, hash: hash('a') });
    expect(agent.sent).toEqual([]);
    await agent.audit.close();
  });

  it('shows a log that was rewritten or cut: the orchestrator raises an alarm, once, and verify names the place', async () => {
    await using rig = await startLogRig();
    await withAgentRow(rig);
    await rig.fill(10);
    const agent = await connected(rig);
    await agent.open();
    await agent.answer();
    await rig.fill(20);
    // Back to the state of before, as by an old copy of the file; then another history.
    await agent.beat();
    await agent.answer();
    rig.tamper(
      'DELETE FROM audit_events WHERE seq > 10',
      'DELETE FROM audit_checkpoints WHERE size > 10',
      "UPDATE audit_tiles SET hashes = substr(hashes, 1, 427) || '='",
    );
    const before = agent.sent.length;
    await agent.open();
    expect(await agent.alarms()).toEqual([
      ['audit.witness_differs', { kept_size: 30, size: 10, genuine: true }],
    ]);
    expect((await agent.audit.verify(ORG, [])).problem).toMatchObject({ kind: 'truncated', seq: 11 });
    await agent.open();
    expect(await agent.alarms()).toHaveLength(1);
    expect(agent.sent.slice(before).filter(({ type }) => type === 'audit_head')).toEqual([]);
    await agent.audit.close();
  });

  it('refuses a checkpoint that does not continue what it keeps, and the orchestrator records that', async () => {
    await using rig = await startLogRig();
    await withAgentRow(rig);
    await rig.fill(10);
    const agent = await connected(rig);
    await agent.open();
    await agent.answer();
    const message = agent.sent[0];
    if (message?.type !== 'audit_head') throw new Error('no checkpoint');
    const key = await rig.key();
    const sign = (size: number) => key?.checkpoint({ size, root: Buffer.alloc(32, 7), retained: 0 }) ?? '';
    const judge = (over: Partial<AuditHeadMessage>) =>
      judgeCheckpoint(agent.kept(), { ...message, ...over }, agent.trust);
    expect(judge({ from: 10, checkpoint: sign(12) })).toEqual({
      refused: expect.stringContaining('does not continue'),
    });
    expect(judge({ checkpoint: sign(10) })).toEqual({
      refused: expect.stringContaining('does not continue'),
    });
    expect(judge({ checkpoint: sign(9) })).toEqual({ refused: expect.stringContaining('went back') });
    expect(judge({ checkpoint: message.checkpoint.replace('\n10\n', '\n11\n') })).toEqual({
      refused: expect.stringContaining('not signed'),
    });
    const { privateKey } = generateKeyPairSync('ed25519');
    const stranger = signEnvelope(
      PAYLOAD_TYPE.auditKey,
      { org_id: ORG, key: key?.text },
      { kid: agent.trust.keys[0]?.kid ?? '', privateKey },
    );
    expect(judge({ key: stranger })).toEqual({ refused: expect.stringContaining('does not vouch') });
    agent.audit.witnesses.cosigned(agent.session, { refused: 'the log went back' });
    await agent.audit.witnesses.idle();
    expect(await agent.alarms()).toEqual([['audit.checkpoint_refused', { why: 'the log went back' }]]);
    await agent.audit.close();
  });
});

describe('[audit-7] the head of an agent’s own log', () => {
  it('is kept and counter-signed, and an alarm is raised when it goes back or changes', async () => {
    await using rig = await startLogRig();
    await withAgentRow(rig);
    await rig.fill(1);
    const agent = await connected(rig);
    await agent.open({ audit_head: { seq: 5, hash: hash('a') } });
    const cosign = agent.sent.find(({ type }) => type === 'audit_cosign');
    const key = await rig.key();
    if (cosign?.type !== 'audit_cosign' || key === undefined) throw new Error('no counter-signature');
    const publicKey = ed25519PublicKey(
      Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key.publicKey]).toString('base64'),
    );
    const bytes = openEnvelope(
      cosign.envelope,
      PAYLOAD_TYPE.auditHead,
      new Map([[key.signing.kid, publicKey]]),
    );
    expect(countersignedHeadSchema.parse(JSON.parse(String(bytes)))).toMatchObject({
      agent_id: AGENT,
      seq: 5,
      hash: hash('a'),
    });
    await agent.beat({ seq: 7, hash: hash('b') });
    expect(await agent.alarms()).toEqual([]);
    await agent.beat({ seq: 6, hash: hash('c') });
    // Another one at once is not told: who says something new each time must not fill the log.
    await agent.beat({ seq: 5, hash: hash('c') });
    await rig.clock.advance(60_000);
    await agent.beat({ seq: 7, hash: hash('d') });
    await agent.beat({ seq: 7, hash: hash('d') });
    expect(await agent.alarms()).toEqual([
      ['audit.agent_head_back', { kept_seq: 7, seq: 6 }],
      ['audit.agent_head_back', { kept_seq: 7, seq: 7 }],
    ]);
    await agent.audit.close();
  });

  it('counts by the executor’s signature where the machine has an executor', async () => {
    await using rig = await startLogRig();
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    await withAgentRow(rig, spki.toString('base64'));
    await rig.fill(1);
    const agent = await connected(rig);
    await agent.open();
    const head = { seq: 3, hash: hash('a') };
    await agent.beat(head);
    expect(await agent.alarms()).toEqual([['audit.agent_head_unsigned', { seq: 3 }]]);
    const attestation = signEnvelope(
      PAYLOAD_TYPE.auditHead,
      { agent_id: AGENT, ...head },
      { kid: keyId(spki), privateKey },
    );
    await agent.beat({ ...head, attestation } as typeof head);
    expect(agent.sent.filter(({ type }) => type === 'audit_cosign')).toHaveLength(1);
    await agent.audit.close();
  });
});
