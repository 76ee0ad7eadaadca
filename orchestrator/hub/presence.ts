import { type Clock, every } from '../../base/clock.ts';
import type { Hello } from '../../protocol/messages.ts';
import type { GroupCommit } from '../store/group-commit.ts';
import type { Store } from '../store/store.ts';
import type { ConnectedAgent, HeartbeatMessage } from './agent-session.ts';
import type { Bus } from './bus.ts';
import { isKnownHash, type Suspect, type Suspicion, suspicionOf, takenSince } from './suspicion.ts';

/** Heartbeats of the whole fleet go to the store together, this often. */
const FLUSH_MS = 1000;

export type Admission =
  /** `heardMs`: when it was heard before (ms since the epoch); 0: never. */
  | { kind: 'admitted'; epoch: number; heardMs: number }
  | { kind: 'refused'; state: 'quarantined' | 'pending' | 'revoked' | 'gone'; reason?: string };

/** After the store failed. */
const CLOSED_AGAIN_MS = 5000;

const MAX_APPROVAL_POLICY = 256 * 1024;

/** What the store knows of who is connected. */
export interface Presence {
  /** Begins a session: a new epoch, and what the agent says of itself. */
  open(agent: ConnectedAgent, hello: Hello): Promise<Admission>;
  /** Puts an agent into quarantine that is not what it says; whoever is connected with its identity is cut off. */
  suspect(agent: ConnectedAgent, suspicion: Suspicion): Promise<void>;
  /** The last socket of this epoch is gone; a newer session's row stays as it is. */
  closed(agent: ConnectedAgent, epoch: number): void;
  heartbeat(agent: ConnectedAgent, message: HeartbeatMessage): void;
  /** Of these agents, those that may not be connected any more. */
  cutOff(
    agentIds: readonly string[],
  ): Promise<readonly { id: string; state: 'quarantined' | 'pending' | 'revoked' }[]>;
  /** Of these certificates (fingerprints), those that somebody revoked. */
  revokedCertificates(fingerprints: readonly string[]): Promise<readonly string[]>;
  /** Writes what is waiting. */
  close(): Promise<void>;
}

/** As the agent said it: it is read with care where it is used. What is far too long is not kept. */
function approvalPolicyText(said: unknown): string | null {
  if (said === undefined || said === null) return null;
  const text = JSON.stringify(said);
  return text.length > MAX_APPROVAL_POLICY ? null : text;
}

export function createPresence(options: {
  store: Store;
  commits: GroupCommit;
  clock: Clock;
  bus: Pick<Bus, 'publish'>;
  /** Without it nobody is suspected. */
  suspect?: Suspect;
  /** Each load that an agent reports. */
  onLoad?: (agent: ConnectedAgent, load: HeartbeatMessage['load']) => void;
}): Presence {
  const { store, commits, clock, bus } = options;
  const changed = ({ organizationId, agentId }: ConnectedAgent) =>
    bus.publish({ topic: 'fleet', organization_id: organizationId, agent_ids: [agentId], what: 'agent' });
  const cutOff = (agent: ConnectedAgent) => {
    bus.publish({ topic: 'revoked', agent_id: agent.agentId, state: 'quarantined' });
    changed(agent);
  };
  let beats = new Map<string, { agent: ConnectedAgent; at: number; load: string }>();
  let flushing = Promise.resolve();

  function flush(): void {
    if (beats.size === 0) return;
    const taken = [...beats.values()];
    beats = new Map();
    flushing = commits
      .run(async (tx) => {
        for (const { agent, at, load } of taken) {
          await tx
            .updateTable('agents')
            .set({ last_heartbeat_at: at, load })
            .where('organization_id', '=', agent.organizationId)
            .where('id', '=', agent.agentId)
            .execute();
        }
      })
      .then(() => {
        for (const [organizationId, beatsOfOne] of Map.groupBy(taken, ({ agent }) => agent.organizationId))
          bus.publish({
            topic: 'fleet',
            organization_id: organizationId,
            agent_ids: beatsOfOne.map(({ agent }) => agent.agentId),
            what: 'load',
          });
      })
      // The next heartbeat says the same again.
      .catch(() => undefined);
  }
  const timer = every(clock, FLUSH_MS, flush);

  return {
    async open(agent, hello) {
      const admission = await commits.run(async (tx): Promise<Admission> => {
        const own = tx
          .selectFrom('agents')
          .select(['state', 'session_epoch', 'quarantine_reason', 'last_heartbeat_at'])
          .select(['machine_hash', 'taken_seq', 'taken_floor'])
          .where('organization_id', '=', agent.organizationId)
          .where('id', '=', agent.agentId);
        const row = await own.executeTakeFirst();
        if (row === undefined) return { kind: 'refused', state: 'gone' };
        if (row.state !== 'active')
          return { kind: 'refused', state: row.state, reason: row.quarantine_reason ?? '' };
        const takenSeq = Math.max(row.taken_seq, await takenSince(tx, agent, row.taken_floor));
        const known = { machineHash: row.machine_hash, takenSeq };
        const suspicion = options.suspect === undefined ? undefined : suspicionOf({ known, hello });
        if (suspicion !== undefined) {
          await options.suspect?.(tx, agent, suspicion);
          return { kind: 'refused', state: 'quarantined', reason: suspicion.reason };
        }
        const now = clock.now();
        await tx
          .updateTable('agents')
          .set({
            session_epoch: row.session_epoch + 1,
            connected_at: now,
            disconnected_at: null,
            last_heartbeat_at: now,
            address: agent.address,
            transport: agent.transport,
            version: hello.agent_version,
            boot_id: hello.boot_id,
            taken_seq: takenSeq,
            ...(isKnownHash(hello.machine_hash) ? { machine_hash: hello.machine_hash } : {}),
            features: JSON.stringify(hello.features),
            facts: JSON.stringify(hello.facts),
            hostname: hello.facts.hostname,
            approval_policy: approvalPolicyText(hello.approval_policy),
            ...(hello.labels === undefined ? {} : { reported_labels: JSON.stringify(hello.labels) }),
            ...(hello.tools === undefined
              ? {}
              : {
                  tools: JSON.stringify(hello.tools.map(({ name }) => name)),
                  tool_manifest_sha256: hello.tool_manifest_sha256,
                }),
          })
          .where('organization_id', '=', agent.organizationId)
          .where('id', '=', agent.agentId)
          .execute();
        return {
          kind: 'admitted',
          epoch: row.session_epoch + 1,
          heardMs: Number(row.last_heartbeat_at ?? 0),
        };
      });
      if (admission.kind === 'admitted') changed(agent);
      else if (admission.state === 'quarantined') cutOff(agent);
      return admission;
    },

    async suspect(agent, suspicion) {
      if (options.suspect === undefined) return;
      await commits.run((tx) => options.suspect?.(tx, agent, suspicion) ?? Promise.resolve());
      cutOff(agent);
    },

    closed(agent, epoch) {
      beats.delete(agent.agentId);
      const at = clock.now();
      const write = (): Promise<void> =>
        commits
          .run((tx) =>
            tx
              .updateTable('agents')
              .set({ disconnected_at: at })
              .where('organization_id', '=', agent.organizationId)
              .where('id', '=', agent.agentId)
              .where('session_epoch', '=', epoch)
              .execute(),
          )
          .then(
            () => changed(agent),
            // Else it would be shown as connected until it comes back.
            () => void clock.setTimer(CLOSED_AGAIN_MS, () => void write(), { background: true }),
          );
      void write();
    },

    heartbeat(agent, message) {
      options.onLoad?.(agent, message.load);
      beats.set(agent.agentId, { agent, at: clock.now(), load: JSON.stringify(message.load) });
    },

    async cutOff(agentIds) {
      const connected = new Set(agentIds);
      const rows = await store.db
        .selectFrom('agents')
        .select(['id', 'state'])
        .where('state', '!=', 'active')
        .execute();
      return rows.flatMap(({ id, state }) =>
        connected.has(id) && state !== 'active' ? [{ id, state }] : [],
      );
    },

    async revokedCertificates(fingerprints) {
      const used = new Set(fingerprints);
      const rows = await store.db
        .selectFrom('certificates')
        .select('fingerprint')
        .where('revoked_reason', 'is not', null)
        .where('not_after', '>', clock.now())
        .execute();
      return rows.flatMap(({ fingerprint }) => (used.has(fingerprint) ? [fingerprint] : []));
    },

    async close() {
      timer.cancel();
      flush();
      await flushing;
    },
  };
}
