import { type Clock, isoTime } from '../../base/clock.ts';
import { ed25519PublicKey, keyId, openEnvelope, sha256, signEnvelope } from '../../base/dsse.ts';
import type { Logger } from '../../base/logger.ts';
import {
  type AgentHead,
  AUDIT_FEATURE,
  type AuditCosign,
  type AuditHeadMessage,
  attestedHeadSchema,
  type Witnessed,
} from '../../protocol/audit-witness.ts';
import { type Envelope, PAYLOAD_TYPE } from '../../protocol/dsse.ts';
import { consistencyProof, sameBytes } from '../../protocol/merkle.ts';
import { latestRestore } from '../restores/restores.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Queryable, Store } from '../store/store.ts';
import { type AuditEntry, record } from './audit.ts';
import { findLogKey, type LogKey } from './keys.ts';
import { headOf } from './seal.ts';
import type { KeptElsewhere } from './sources.ts';
import { rangeAt, subtreeReader } from './tiles.ts';
import { claimOf } from './verify.ts';

/** What is needed of an agent's session. */
export interface WitnessSession {
  agent: { organizationId: string; agentId: string; vmId: string };
  sendHint(message: AuditHeadMessage | AuditCosign): void;
}

interface Watched {
  session: WitnessSession;
  /** As the agent said in this session. */
  kept: Witnessed | undefined;
  head: { seq: number; hash: string } | undefined;
  /** Size that was sent and not answered yet. */
  offered: number;
  /** It keeps what a restore has cut off: the log is shown to it anew. */
  cutOff: boolean;
}

/** Different alarms of one kind about one agent are raised this often at most. */
const ALARM_EVERY_MS = 60_000;

export interface Witnesses {
  opened(
    session: WitnessSession,
    hello: {
      features: string[];
      policy_sha256?: string | null;
      audit_head?: AgentHead | undefined;
      audit_witness?: Witnessed | undefined;
    },
  ): void;
  heartbeat(session: WitnessSession, message: { audit_head?: AgentHead | undefined }): void;
  cosigned(
    session: WitnessSession,
    message: { kept?: Witnessed | undefined; refused?: string | undefined },
  ): void;
  gone(agentId: string): void;
  /** What the agents of an organization that are connected now said they keep. */
  kept(organizationId: string): KeptElsewhere[];
  /** Resolves when what was heard so far has been dealt with. */
  idle(): Promise<void>;
}

export function createWitnesses(options: {
  store: Store;
  /** What a whole fleet says with its heartbeats costs a few syncs of the disk. */
  commits: GroupCommit;
  sealer: Sealer;
  clock: Clock;
  log: Logger;
  vouch(organizationId: string, payloadType: string, payload: unknown): Promise<Envelope>;
}): Witnesses {
  const { store, commits, sealer, clock, log } = options;
  const watched = new Map<string, Watched>();
  const keys = new Map<string, Promise<{ key: LogKey; envelope: Envelope } | undefined>>();
  /** By agent and alarm what it was last raised for: it is told once, however often the agent says it. */
  const told = new Map<string, { what: string; at: number }>();
  const working = new Set<Promise<void>>();

  function keyFor(organizationId: string) {
    const load = async () => {
      const key = await findLogKey(store.db, sealer, organizationId);
      if (key === undefined) return undefined;
      const statement = { org_id: organizationId, key: key.text };
      return { key, envelope: await options.vouch(organizationId, PAYLOAD_TYPE.auditKey, statement) };
    };
    const loading = keys.get(organizationId) ?? load();
    keys.set(organizationId, loading);
    loading.then(
      (found) => found ?? keys.delete(organizationId),
      () => keys.delete(organizationId),
    );
    return loading;
  }

  async function alarm(
    { agent }: WitnessSession,
    action: string,
    detail: NonNullable<AuditEntry['detail']>,
    why: string,
  ): Promise<void> {
    const key = `${agent.agentId} ${action}`;
    const what = JSON.stringify(detail);
    const last = told.get(key);
    const now = clock.monotonic();
    // Who has taken an agent over may say something else each time, and must not fill the log.
    if (last !== undefined && (last.what === what || now - last.at < ALARM_EVERY_MS)) return;
    told.set(key, { what, at: now });
    log.error({ agent_id: agent.agentId, vm_id: agent.vmId, ...detail }, why);
    await record(store.db, {
      at: clock.now(),
      organizationId: agent.organizationId,
      action,
      actor: { type: 'agent', id: agent.agentId, name: agent.vmId },
      target: agent.agentId,
      detail,
    });
  }

  /** Whether the executor of the VM signed the head, where there is one that should. */
  async function isGenuine({ agent }: WitnessSession, head: AgentHead): Promise<boolean> {
    const row = await store.db
      .selectFrom('agents')
      .select('executor_public_key')
      .where('organization_id', '=', agent.organizationId)
      .where('id', '=', agent.agentId)
      .executeTakeFirst();
    if (row === undefined) return false;
    if (row.executor_public_key === null) return true;
    if (head.attestation === undefined) return false;
    const key = ed25519PublicKey(row.executor_public_key);
    const kid = keyId(key.export({ type: 'spki', format: 'der' }));
    const bytes = openEnvelope(head.attestation, PAYLOAD_TYPE.auditHead, new Map([[kid, key]]));
    const said = bytes && attestedHeadSchema.safeParse(JSON.parse(bytes.toString('utf8'))).data;
    return said?.agent_id === agent.agentId && said.seq === head.seq && said.hash === head.hash;
  }

  async function takeHead(entry: Watched, head: AgentHead): Promise<void> {
    const { session } = entry;
    const { agent } = session;
    if (entry.head?.seq === head.seq && entry.head.hash === head.hash) return;
    if (!(await isGenuine(session, head)))
      return alarm(
        session,
        'audit.agent_head_unsigned',
        { seq: head.seq },
        'the head of an agent’s audit log is not signed by its executor',
      );
    const known = await store.db
      .selectFrom('audit_witnesses')
      .select(['head_seq', 'head_hash'])
      .where('organization_id', '=', agent.organizationId)
      .where('agent_id', '=', agent.agentId)
      .executeTakeFirst();
    const [seq, hash] = [Number(known?.head_seq ?? -1), known?.head_hash];
    if (seq > head.seq || (seq === head.seq && hash !== head.hash))
      return alarm(
        session,
        'audit.agent_head_back',
        { kept_seq: seq, seq: head.seq },
        'an agent’s audit log went back: entries that it had reported are gone or changed',
      );
    entry.head = { seq: head.seq, hash: head.hash };
    const now = clock.now();
    await keep(session, { head_seq: head.seq, head_hash: head.hash, head_at: now });
    const signer = await keyFor(agent.organizationId);
    if (signer === undefined) return;
    const statement = { agent_id: agent.agentId, seq: head.seq, hash: head.hash, at: isoTime(now) };
    session.sendHint({
      type: 'audit_cosign',
      envelope: signEnvelope(PAYLOAD_TYPE.auditHead, statement, signer.key.signing),
    });
  }

  async function keep(
    { agent }: WitnessSession,
    what:
      | { head_seq: number; head_hash: string; head_at: number }
      | { checkpoint: string; checkpoint_at: number }
      | { policy_sha256: string | null },
    within?: Queryable,
  ): Promise<void> {
    const write = (db: Queryable) =>
      db
        .insertInto('audit_witnesses')
        .values({
          organization_id: agent.organizationId,
          agent_id: agent.agentId,
          vm_id: agent.vmId,
          ...what,
        })
        .onConflict((oc) =>
          oc.columns(['organization_id', 'agent_id']).doUpdateSet({ ...what, vm_id: agent.vmId }),
        )
        .execute();
    await (within === undefined ? commits.run(write) : write(within));
  }

  /** The VM's owner changed what he allows: it happens there, and is recorded here when the agent says so. */
  async function takePolicy(session: WitnessSession, sha256: string | null): Promise<void> {
    const { agent } = session;
    await store.transaction(async (tx) => {
      const known = await tx
        .selectFrom('audit_witnesses')
        .select('policy_sha256')
        .where('organization_id', '=', agent.organizationId)
        .where('agent_id', '=', agent.agentId)
        .executeTakeFirst();
      if (known !== undefined && known.policy_sha256 === sha256) return;
      await keep(session, { policy_sha256: sha256 }, tx);
      await record(tx, {
        at: clock.now(),
        organizationId: agent.organizationId,
        action: known === undefined ? 'policy.seen' : 'policy.changed',
        actor: { type: 'agent', id: agent.agentId, name: agent.vmId },
        target: agent.agentId,
        detail: { from: known?.policy_sha256 ?? null, to: sha256 },
      });
    });
  }

  /** What an agent keeps must be a beginning of the log as it is now. */
  async function takeKept(entry: Watched, kept: Witnessed): Promise<void> {
    const { session } = entry;
    const { organizationId } = session.agent;
    entry.kept = kept;
    entry.offered = 0;
    const signer = await keyFor(organizationId);
    const claim = signer && claimOf(signer.key, kept.note, kept.size).checkpoint;
    const head = signer && (await headOf(store.db, organizationId, signer.key));
    const agrees =
      claim !== undefined &&
      head !== undefined &&
      claim.size <= head.size &&
      sameBytes((await rangeAt(store.db, organizationId, claim.size)).root(), claim.root);
    entry.cutOff = false;
    if (agrees) return keep(session, { checkpoint: kept.note, checkpoint_at: clock.now() });
    const size = head?.size ?? 0;
    if (claim !== undefined && (await isCutOff(entry, claim.size, kept.note, size))) return;
    return alarm(
      session,
      'audit.witness_differs',
      { kept_size: kept.size, size, genuine: claim !== undefined },
      'an agent keeps a checkpoint that the audit log does not continue: events were changed or cut off; run `vm-orchestrator audit verify`',
    );
  }

  /**
   * Whether a declared restore explains that an agent keeps more than the log has. The alarm is raised with what
   * explains it, once for the largest that was seen: a fleet would else say the same thousands of times.
   */
  async function isCutOff(entry: Watched, claimed: number, note: string, size: number): Promise<boolean> {
    const { agent } = entry.session;
    const restore = await latestRestore(store.db, agent.organizationId);
    if (restore === undefined || claimed <= restore.audit_size) return false;
    entry.cutOff = true;
    await commits.run(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('restores')
        .set({ witnessed_size: claimed })
        .where('organization_id', '=', agent.organizationId)
        .where('id', '=', restore.id)
        .where('witnessed_size', '<', claimed)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return;
      await record(tx, {
        at: clock.now(),
        organizationId: agent.organizationId,
        action: 'audit.witness_differs',
        actor: { type: 'agent', id: agent.agentId, name: agent.vmId },
        target: agent.agentId,
        detail: {
          kept_size: claimed,
          size,
          genuine: true,
          restore_id: restore.id,
          restored_size: restore.audit_size,
          checkpoint: note,
        },
      });
    });
    return true;
  }

  /** By organization and restore: the command root says it once. */
  const lines = new Map<string, Promise<Envelope>>();
  async function lineOf(organizationId: string): Promise<Envelope | undefined> {
    const restore = await latestRestore(store.db, organizationId);
    if (restore === undefined) return undefined;
    const key = `${organizationId}/${restore.id}`;
    const made =
      lines.get(key) ??
      options.vouch(organizationId, PAYLOAD_TYPE.auditLine, {
        org_id: organizationId,
        epoch: restore.epoch,
        size: restore.audit_size,
        restored_at: isoTime(Number(restore.at)),
      });
    lines.set(key, made);
    made.catch(() => lines.delete(key));
    return made;
  }

  /** Shows the newest checkpoint to an agent that keeps an older one. */
  async function announce(entry: Watched): Promise<void> {
    const { session, kept } = entry;
    const { organizationId } = session.agent;
    const signer = await keyFor(organizationId);
    const head = signer && (await headOf(store.db, organizationId, signer.key));
    if (signer === undefined || head === undefined) return;
    const from = entry.cutOff ? 0 : (kept?.size ?? 0);
    const line = await lineOf(organizationId);
    if (head.size <= Math.max(from, entry.offered)) return;
    entry.offered = head.size;
    const proof =
      from === 0
        ? []
        : await consistencyProof(sha256, subtreeReader(store.db, organizationId), from, head.size);
    session.sendHint({
      type: 'audit_head',
      checkpoint: head.note,
      from,
      proof: proof.map((hash) => Buffer.from(hash).toString('base64')),
      key: signer.envelope,
      ...(line === undefined ? {} : { line }),
    });
  }

  /** In order for each agent: what it says first counts first. */
  const turns = new WeakMap<Watched, Promise<void>>();
  function later(entry: Watched, work: () => Promise<void>): void {
    const { agent } = entry.session;
    const turn = (turns.get(entry) ?? Promise.resolve()).then(work).catch((cause: unknown) => {
      log.error({ err: cause, agent_id: agent.agentId }, 'an agent’s part in the audit log failed');
    });
    turns.set(entry, turn);
    working.add(turn);
    void turn.then(() => working.delete(turn));
  }

  return {
    opened(session, hello) {
      const entry: Watched = { session, kept: undefined, head: undefined, offered: 0, cutOff: false };
      const { policy_sha256: policy } = hello;
      if (policy !== undefined) later(entry, () => takePolicy(session, policy));
      if (!hello.features.includes(AUDIT_FEATURE)) return;
      watched.set(session.agent.agentId, entry);
      later(entry, async () => {
        if (hello.audit_head !== undefined) await takeHead(entry, hello.audit_head);
        if (hello.audit_witness !== undefined) await takeKept(entry, hello.audit_witness);
        await announce(entry);
      });
    },
    heartbeat(session, message) {
      const entry = watched.get(session.agent.agentId);
      if (entry === undefined) return;
      entry.session = session;
      later(entry, async () => {
        if (message.audit_head !== undefined) await takeHead(entry, message.audit_head);
        // An offer that was lost is made again.
        entry.offered = 0;
        await announce(entry);
      });
    },
    cosigned(session, message) {
      const entry = watched.get(session.agent.agentId);
      if (entry === undefined) return;
      later(entry, async () => {
        if (message.kept !== undefined) await takeKept(entry, message.kept);
        if (message.refused !== undefined)
          await alarm(
            session,
            'audit.checkpoint_refused',
            { why: message.refused },
            'an agent refused the newest checkpoint of the audit log',
          );
      });
    },
    gone(agentId) {
      watched.delete(agentId);
    },
    kept(organizationId) {
      return [...watched.values()].flatMap(({ session: { agent }, kept }) =>
        kept !== undefined && agent.organizationId === organizationId
          ? [{ who: agent.vmId, note: kept.note }]
          : [],
      );
    },
    idle: async () => {
      while (working.size > 0) await Promise.all(working);
    },
  };
}
