import type { Generated, Insertable, Selectable } from 'kysely';
import type { AuditTables } from './tables-audit.ts';
import type { JobTables } from './tables-jobs.ts';
import type { PeopleTables } from './tables-people.ts';
import type { RestoreTables } from './tables-restores.ts';

/**
 * The tables as Kysely sees them, the same on SQLite and PostgreSQL: times are integers (ms since the epoch), flags
 * are 0 or 1, JSON is text. `organization_id` stands in every key of what belongs to a tenant.
 */
export interface Tables extends PeopleTables, JobTables, AuditTables, RestoreTables {
  settings: { key: string; value: string };
  certificate_authorities: {
    id: string;
    /** Null: the root, or the issuing key of the orchestrator's own certificates. */
    organization_id: string | null;
    kind: 'root' | 'orchestrator' | 'organization';
    certificate: string;
    fingerprint: string;
    /** Sealed with the master key; null when the key was moved off the machine. */
    sealed_key: string | null;
    not_after: number;
    created_at: number;
    /** Of roots where they stand in a rotation (see ca/roots.ts); of others always `active`. */
    state: Generated<'active' | 'next' | 'previous' | 'backup' | 'retired'>;
    /** The root that signed it; null for a root. */
    issuer_id: string | null;
    /** A root's key under the root before it, PEM: who knows only that one comes to this one. */
    cross_certificate: string | null;
  };
  command_keys: {
    kid: string;
    organization_id: string;
    kind: 'root' | 'delegated';
    public_key: string;
    sealed_key: string;
    /** Signed delegation envelope, JSON; null for a root. */
    delegation: string | null;
    not_after: number | null;
    created_at: number;
  };
  provisioning_tokens: {
    organization_id: string;
    id: string;
    secret_hash: string;
    description: string;
    created_at: number;
    expires_at: number;
    revoked_at: number | null;
    uses: number;
    used: number;
    labels: string;
    vm_id_pattern: string | null;
    cidr: string | null;
    created_by: string;
    /** Both or none. */
    rate_uses: number | null;
    rate_window_s: number | null;
  };
  /** When tokens with a rate were used, as far back as the rate asks. */
  token_uses: {
    organization_id: string;
    token_id: string;
    at: number;
  };
  agents: {
    organization_id: string;
    id: string;
    vm_id: string;
    hostname: string;
    state: 'active' | 'quarantined' | 'pending' | 'revoked';
    /** SHA-256 of the SPKI of the key that enrolled. */
    public_key_hash: string;
    token_id: string;
    api_key_hash: string;
    machine_hash: string | null;
    executor_public_key: string | null;
    labels: string;
    reported_labels: string;
    facts: string | null;
    load: string | null;
    tools: string;
    features: string;
    tool_manifest_sha256: string | null;
    version: string | null;
    boot_id: string | null;
    address: string | null;
    enrolled_at: number;
    connected_at: number | null;
    disconnected_at: number | null;
    last_heartbeat_at: number | null;
    /** Grows with each session; the newest wins. */
    session_epoch: number;
    /** The last command seq given. */
    command_seq: number;
    /** What its policy says about approvers' own signatures, JSON. */
    approval_policy: string | null;
    /** Of the present or last connection. */
    transport: 'websocket' | 'poll' | null;
    /** Code, what was seen, and since when; null unless it is in quarantine. See protocol/quarantine.ts. */
    quarantine_reason: string | null;
    quarantine_detail: string | null;
    quarantined_at: number | null;
    /** What it said it was when it was put there for being another machine; an admission makes it the known one. */
    seen_machine_hash: string | null;
    /** The highest command seq that it acknowledged, as of its last hello. */
    taken_seq: Generated<number>;
    /** The highest seq that was sent before a rolled-back disk was admitted: what it took up to there counts no more. */
    taken_floor: Generated<number>;
    /** The version of the set of roots that it says it keeps. */
    trust_version: number | null;
  };
  certificates: {
    organization_id: string;
    fingerprint: string;
    agent_id: string;
    serial: string;
    public_key_hash: string;
    /** Leaf and issuing certificate, PEM. */
    chain: string;
    not_before: number;
    not_after: number;
    revoked_at: number | null;
    first_used_at: number | null;
    created_at: number;
    /** When an operator admitted the agent after its end: it may be exchanged for a new one. */
    readmitted_at: number | null;
    /** Set when somebody revoked just this certificate; its key gets no other one. */
    revoked_reason: string | null;
  };
  /** Those that were used, until they would have ended by themselves. */
  recovery_nonces: { organization_id: string; nonce_hash: string; expires_at: number };
  metric_blocks: {
    organization_id: string;
    agent_id: string;
    /** Seconds between two values of the block. */
    step: number;
    /** Its first moment, seconds since the epoch. */
    start: number;
    /** JSON: see orchestrator/metrics/block.ts. */
    data: string;
  };
}

export type Row<T extends keyof Tables> = Selectable<Tables[T]>;
export type NewRow<T extends keyof Tables> = Insertable<Tables[T]>;
