import { type Clock, every } from '../../base/clock.ts';
import { sha256 } from '../../base/dsse.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { closeAll } from '../../base/shutdown.ts';
import { type AuditReport, type ExportLine, OWN_LOG } from '../../protocol/audit-log.ts';
import type { Envelope } from '../../protocol/dsse.ts';
import { AppError } from '../../protocol/errors.ts';
import { consistencyProof, inclusionProof } from '../../protocol/merkle.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Store } from '../store/store.ts';
import { type AuditActor, record, SYSTEM_ACTOR } from './audit.ts';
import { newestNote, openNote } from './checkpoints.ts';
import { eraser } from './erase.ts';
import { exportLog } from './export.ts';
import { startForwarder } from './forward/forwarder.ts';
import type { Sink } from './forward/sink.ts';
import { findLogKey, type LogKey } from './keys.ts';
import { retention } from './retention.ts';
import { createSequencer } from './sequencer.ts';
import { type KeptElsewhere, logInStore } from './sources.ts';
import { leavesOf, rangeAt, subtreeReader } from './tiles.ts';
import { verifyLog } from './verify.ts';
import { createWitnesses, type Witnesses } from './witnesses.ts';

const RETENTION_EVERY_MS = 3_600_000;

/** Checkpoints of agents that are not connected now, as the store has them. */
export async function storedWitnesses(store: Pick<Store, 'db'>, log: string): Promise<KeptElsewhere[]> {
  const rows = await store.db
    .selectFrom('audit_witnesses')
    .select(['vm_id', 'checkpoint'])
    .where('organization_id', '=', log)
    .orderBy('checkpoint_at', 'desc')
    .limit(1000)
    .execute();
  return rows.flatMap(({ vm_id, checkpoint }) =>
    checkpoint === null ? [] : [{ who: vm_id, note: checkpoint }],
  );
}

export interface Audit {
  witnesses: Witnesses;
  erase: ReturnType<typeof eraser>;
  drop: ReturnType<typeof retention>;
  verify(log: string, pinned: readonly KeptElsewhere[]): Promise<AuditReport>;
  /** Recorded: who has an export has names and addresses that an erasure does not reach. */
  export(request: {
    log: string;
    organizationId: string | null;
    after: number;
    actor: AuditActor;
    address: string | null;
  }): Promise<AsyncGenerator<ExportLine, void, void>>;
  /** @throws AppError `not_found` when nothing was sealed yet. */
  checkpoint(log: string): Promise<{
    key: LogKey;
    origin: string;
    size: number;
    root: Uint8Array;
    retained: number;
    at: number;
    note: string;
  }>;
  proof(
    log: string,
    of: { seq?: number | undefined; from?: number | undefined; size?: number | undefined },
  ): Promise<{
    size: number;
    root: Uint8Array;
    leaf?: Uint8Array;
    fromRoot?: Uint8Array;
    proof: Uint8Array[];
  }>;
  /** Records that somebody came with an API token that is none. */
  apiTokenRefused(address: string): Promise<void>;
  /** For how long events could not be sealed (ms); 0: all is well. */
  brokenMs(): number;
  /** Seals what is left. */
  close(): Promise<void>;
}

/** Joins the parts of the audit log and starts what runs by itself: sealing, copies, retention. */
export function startAudit(options: {
  store: Store;
  commits: GroupCommit;
  sealer: Sealer;
  trustDomain: string;
  clock: Clock;
  random: Random;
  log: Logger;
  vouch(organizationId: string, payloadType: string, payload: unknown): Promise<Envelope>;
  sinks: readonly Sink[];
  /** How long events are kept; undefined: for ever. */
  keepMs: number | undefined;
}): Audit {
  const { store, sealer, clock, log, sinks, keepMs } = options;
  const { db } = store;
  const sequencer = createSequencer(options);
  const witnesses = createWitnesses(options);
  const drop = retention({ ...options, sinks: sinks.map(({ id }) => id) });
  const forwarders = sinks.map((sink) => startForwarder({ ...options, sink }));

  async function dropOld(): Promise<void> {
    if (keepMs === undefined) return;
    const organizations = await db.selectFrom('organizations').select('id').execute();
    for (const organizationId of [null, ...organizations.map(({ id }) => id)])
      await drop({
        log: organizationId ?? OWN_LOG,
        organizationId,
        before: clock.now() - keepMs,
        actor: SYSTEM_ACTOR,
        address: null,
      });
  }
  const timer = every(clock, RETENTION_EVERY_MS, () => {
    dropOld().catch((cause: unknown) =>
      log.error({ err: cause }, 'old events of the audit log could not be dropped'),
    );
  });

  async function keyOf(name: string): Promise<LogKey> {
    const key = await findLogKey(db, sealer, name);
    if (key !== undefined) return key;
    throw new AppError('not_found', {
      detail: 'Nothing was sealed in this log yet.',
      hint: 'Events are sealed within a second of being recorded.',
    });
  }

  async function checkpoint(name: string) {
    const key = await keyOf(name);
    const newest = await newestNote(db, name);
    const opened = newest && openNote(newest, key);
    if (newest === undefined || opened === undefined)
      throw new AppError('conflict', {
        detail: 'The newest checkpoint of this log is not signed by its key.',
        hint: 'Run: vm-orchestrator audit verify',
      });
    return { ...opened, key, at: Number(newest.at), note: newest.note };
  }

  const verifyOnce = async (name: string, pinned: readonly KeptElsewhere[]): Promise<AuditReport> => {
    const connected = witnesses.kept(name);
    const known = new Set(connected.map(({ who }) => who));
    const stored = (await storedWitnesses(store, name)).filter(({ who }) => !known.has(who));
    const subject = await logInStore(db, {
      sealer,
      log: name,
      witnesses: [...connected, ...stored, ...pinned],
    });
    return verifyLog(subject);
  };
  let turn: Promise<unknown> = Promise.resolve();

  return {
    witnesses,
    erase: eraser(options),
    drop,
    brokenMs: sequencer.brokenMs,
    checkpoint,
    apiTokenRefused: (address) =>
      record(db, {
        at: clock.now(),
        organizationId: null,
        action: 'api_token.refused',
        actor: { type: 'anonymous', id: 'anonymous', name: 'anonymous' },
        address,
      }),
    async export({ log: name, organizationId, after, actor, address }) {
      const key = await keyOf(name);
      await record(db, {
        at: clock.now(),
        organizationId,
        action: 'audit.export',
        actor,
        address,
        detail: { after },
      });
      return exportLog(store, { log: name, key, after });
    },
    /** One at a time: each reads the whole log. */
    verify(name, pinned) {
      const result = turn.then(async () => {
        const report = await verifyOnce(name, pinned);
        if (report.ok) return report;
        // What was dropped on purpose while it was read is no finding.
        const { retained } = await checkpoint(name).catch(() => ({ retained: report.retained }));
        return retained === report.retained ? report : verifyOnce(name, pinned);
      });
      turn = result.catch(() => undefined);
      return result;
    },
    async proof(name, of) {
      const newest = await checkpoint(name);
      const size = of.size ?? newest.size;
      const { seq, from } = of;
      const bad = (detail: string) => new AppError('bad_request', { detail });
      if (size > newest.size) throw bad(`The log has ${newest.size} sealed events, not ${size}.`);
      if ((seq === undefined) === (from === undefined)) throw bad('Give seq or from, one of the two.');
      if ((seq ?? from ?? 0) > size) throw bad(`There is no ${seq ?? from} in a tree of ${size}.`);
      const subtree = subtreeReader(db, name);
      const root = (await rangeAt(db, name, size)).root();
      if (seq === undefined) {
        const before = from ?? 0;
        const fromRoot = (await rangeAt(db, name, before)).root();
        return { size, root, fromRoot, proof: await consistencyProof(sha256, subtree, before, size) };
      }
      const leaf = await leavesOf(db, name, { after: seq - 1, size: seq }).next();
      const proof = await inclusionProof(sha256, subtree, seq - 1, size);
      return { size, root, ...(leaf.value === undefined ? {} : { leaf: leaf.value }), proof };
    },
    close() {
      timer.cancel();
      return closeAll([
        () => sequencer.close(),
        () => witnesses.idle(),
        ...forwarders.map((forwarder) => () => forwarder.close()),
      ]);
    },
  };
}
