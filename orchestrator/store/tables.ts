import type { Generated, Insertable, Selectable } from 'kysely';
import type { Role } from '../../protocol/roles.ts';

/**
 * The tables as Kysely sees them, the same on SQLite and PostgreSQL: times are integers (ms since the epoch), flags
 * are 0 or 1, JSON is text. `organization_id` stands in every key of what belongs to a tenant.
 */
export interface Tables {
  settings: { key: string; value: string };
  organizations: { id: string; name: string; created_at: number; command_epoch: number };
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
  users: {
    id: string;
    username: string;
    password_hash: string;
    created_at: number;
    /** 1: rules the whole orchestrator. */
    system_admin: Generated<number>;
  };
  memberships: { organization_id: string; user_id: string; role: Role };
  web_sessions: { token_hash: string; user_id: string; created_at: number; expires_at: number };
  api_tokens: {
    id: string;
    organization_id: string;
    token_hash: string;
    name: string;
    role: Role;
    system_admin: Generated<number>;
    created_at: number;
    last_used_at: number | null;
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
  };
  jobs: {
    organization_id: string;
    id: string;
    selector: string;
    tool: string;
    arguments: string;
    description: string;
    timeout_s: number;
    created_at: number;
    created_by: string;
    /** Commands that are not final yet. */
    open_commands: number;
    next_event: number;
  };
  idempotency_keys: {
    organization_id: string;
    /** Of the actor, so that two users may choose the same key. */
    actor: string;
    key: string;
    request_hash: string;
    job_id: string;
    created_at: number;
  };
  commands: {
    organization_id: string;
    id: string;
    job_id: string;
    agent_id: string;
    vm_id: string;
    seq: number;
    state: string;
    reason: string | null;
    cancel_requested: number;
    /** Signed envelope and its delegation, JSON: what goes on the wire, made once. */
    envelope: string;
    delegation: string;
    timeout_s: number;
    created_at: number;
    sent_at: number | null;
    started_at: number | null;
    ended_at: number | null;
    expires_at: number;
    result: string | null;
    stdout_size: number;
    stderr_size: number;
    /** 1 when an `unknown` was replaced by a late result. */
    result_late: number;
  };
  job_events: {
    organization_id: string;
    job_id: string;
    id: number;
    command_id: string | null;
    type: 'state' | 'output' | 'end';
    at: number;
    state: string | null;
    reason: string | null;
    stream: string | null;
    offset: number | null;
    length: number | null;
  };
  terminals: {
    organization_id: string;
    id: string;
    command_id: string;
    job_id: string;
    agent_id: string;
    vm_id: string;
    actor_type: string;
    actor_id: string;
    actor_name: string;
    address: string | null;
    /** Null: the login shell. */
    command: string | null;
    opened_at: number;
    ended_at: number | null;
    end_reason: string | null;
    exit_code: number | null;
    /** Bytes of the recording; of one that goes on the file knows it. */
    size: Generated<number>;
  };
  audit_events: {
    id: Generated<number>;
    organization_id: string | null;
    at: number;
    action: string;
    actor_type: string;
    actor_id: string;
    actor_name: string;
    address: string | null;
    target: string | null;
    detail: string;
  };
}

export type Row<T extends keyof Tables> = Selectable<Tables[T]>;
export type NewRow<T extends keyof Tables> = Insertable<Tables[T]>;
