import type { Generated, Insertable, Selectable } from 'kysely';
import type { Role } from '../../protocol/roles.ts';

/**
 * `full`: every state of a command is an audit event. `ends`: its end alone, for calls of the page, which come by the
 * minute. `none`: it is a piece of a transfer that has events of its own, and its bytes are not kept.
 */
export type Trail = 'full' | 'ends' | 'none';

/**
 * The tables as Kysely sees them, the same on SQLite and PostgreSQL: times are integers (ms since the epoch), flags
 * are 0 or 1, JSON is text. `organization_id` stands in every key of what belongs to a tenant.
 */
export interface Tables {
  settings: { key: string; value: string };
  organizations: {
    id: string;
    name: string;
    created_at: number;
    command_epoch: number;
    /** Set: it is gone for everybody; what it holds is kept for the proof of its audit log. */
    deleted_at: number | null;
  };
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
    display_name: Generated<string>;
    disabled_at: number | null;
    last_login_at: number | null;
  };
  /** Who a user is at an OpenID Connect provider. */
  user_identities: { issuer: string; subject: string; user_id: string; created_at: number };
  memberships: {
    organization_id: string;
    user_id: string;
    role: Role;
    /** `oidc`: given and taken by the groups of the last login; `local`: by people. */
    source: Generated<'local' | 'oidc'>;
  };
  web_sessions: {
    id: string;
    user_id: string;
    token_hash: string;
    /** The token before the last rotation; it counts until `previous_until`, or until the new one is first used. */
    previous_hash: string | null;
    previous_until: number | null;
    method: 'password' | 'oidc';
    created_at: number;
    rotated_at: number;
    last_seen_at: number;
    expires_at: number;
    address: string | null;
    user_agent: string;
  };
  api_tokens: {
    id: string;
    organization_id: string;
    token_hash: string;
    name: string;
    role: Role;
    system_admin: Generated<number>;
    created_at: number;
    last_used_at: number | null;
    /** JSON array of permissions; null: all that the role has. */
    scopes: string | null;
    expires_at: number | null;
    created_by: Generated<string>;
    /** Whose it is; null: of before this was known, or nobody's but its own. */
    user_id: string | null;
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
    /** `call`: somebody waited for the result of one tool; lists of jobs leave it out. */
    origin: Generated<'job' | 'call'>;
    /** Commands that are not final yet. */
    open_commands: number;
    next_event: number;
    /** Null: of before there were kinds; a command or a tool. */
    kind: string | null;
    /** Interpreter and arguments of a script, JSON; its text is `arguments.stdin`. */
    script: string | null;
    lane: string | null;
    expires_in_s: number | null;
    /** Who approved it, as the signed commands name them, JSON. */
    approvals: string | null;
    retry_of: string | null;
    /** The job whose wave this one checks. */
    check_of: string | null;
    schedule_id: string | null;
    due_at: number | null;
  };
  /** A job that goes in waves; as long as it is not over it counts as one of the job's open commands. */
  rollouts: {
    organization_id: string;
    job_id: string;
    /** JSON, as asked for. */
    plan: string;
    state: string;
    /** The wave that has its turn, from 1. */
    wave: number;
    phase: string;
    phase_until: number | null;
    /** Of each wave its size, times and gate, JSON. */
    waves: string;
    total: number;
    stop_reason: string | null;
    stop_detail: string | null;
    deadline_at: number;
    created_at: number;
    ended_at: number | null;
  };
  /** What an ended command's output comes to when it is compared. */
  command_digests: { organization_id: string; command_id: string; job_id: string; digest: string };
  idempotency_keys: {
    organization_id: string;
    /** Of the actor, so that two users may choose the same key. */
    actor: string;
    key: string;
    request_hash: string;
    job_id: string;
    created_at: number;
    /** Answer of a request that made no job, JSON. */
    response: string | null;
  };
  commands: {
    organization_id: string;
    id: string;
    job_id: string;
    agent_id: string;
    vm_id: string;
    /** Null until its turn has come, as are envelope and delegation. */
    seq: number | null;
    state: string;
    reason: string | null;
    cancel_requested: number;
    /** Signed envelope and its delegation, JSON: what goes on the wire, made once. */
    envelope: string | null;
    delegation: string | null;
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
    wave: number | null;
    /** Its place in its wave. */
    position: Generated<number>;
    /** Which of its states are audit events; see {@link Trail}. */
    trail: Generated<Trail>;
  };
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
  job_events: {
    organization_id: string;
    job_id: string;
    id: number;
    command_id: string | null;
    type: 'state' | 'output' | 'rollout' | 'end';
    at: number;
    state: string | null;
    reason: string | null;
    stream: string | null;
    /** Of output its place; of a rollout's event the wave. */
    offset: number | null;
    length: number | null;
    detail: string | null;
  };
  schedules: {
    organization_id: string;
    id: string;
    name: string;
    cron: string;
    time_zone: string;
    runs_on: 'orchestrator' | 'agents';
    overlap: 'allow' | 'skip';
    start_within_s: number;
    /** Request of a job, JSON. */
    job: string;
    enabled: number;
    created_at: number;
    created_by: string;
    changed_at: number;
    /** The next occurrence that no job stands for yet; null: there is none. */
    next_at: number | null;
  };
  saved_commands: {
    organization_id: string;
    id: string;
    name: string;
    definition: string;
    created_at: number;
    created_by: string;
    changed_at: number;
  };
  approval_rules: {
    organization_id: string;
    id: string;
    name: string;
    enabled: Generated<number>;
    /** JSON; see rest-approvals.ts. */
    definition: string;
    created_at: number;
    created_by: string;
  };
  approvals: {
    organization_id: string;
    id: string;
    job_id: string;
    state: 'pending' | 'approved' | 'denied' | 'expired' | 'cancelled' | 'void';
    /** Actor, JSON. */
    requester: string;
    requester_person: string;
    /** SHA-256 of what is approved, hex. */
    digest: string;
    /** JSON */
    subject: string;
    /** What it needs, as the rules and policies were when it was asked for, JSON. */
    requirements: string;
    created_at: number;
    expires_at: number;
    /** Null while it is pending. */
    ended_at: number | null;
    /** When its job was let go. */
    released_at: number | null;
    /** A sentence: why it ended. */
    detail: string | null;
  };
  approval_decisions: {
    organization_id: string;
    approval_id: string;
    /** Who it is, whatever credentials were used. */
    person: string;
    actor: string;
    decision: 'approve' | 'deny';
    comment: string;
    /** JSON */
    signature: string | null;
    /** Identifiers of the rules that it counts for, JSON. */
    counts_for: string;
    at: number;
  };
  locks: {
    organization_id: string;
    id: string;
    target_type: 'user' | 'api_token' | 'agent' | 'organization' | 'tool' | 'selector';
    target: string;
    reason: string;
    created_at: number;
    created_by: string;
    expires_at: number | null;
  };
  /** By Idempotency-Key; without a status it is being worked on, or was when that process ended. */
  request_replays: {
    actor: string;
    key: string;
    request_hash: string;
    process: string;
    status: number | null;
    sealed_body: string | null;
    created_at: number;
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
    /** Position in the log; null until the sequencer has sealed it. */
    seq: Generated<number | null>;
    /** Hex from which the salts of all personal fields are made, or, after an erasure, JSON of those that are left. */
    salts: Generated<string | null>;
    /** JSON: commitments of erased fields. */
    erased: Generated<string | null>;
  };
  // In what follows `organization_id` is that of a log: an organization's, or `orchestrator` for its own.
  audit_keys: {
    organization_id: string;
    name: string;
    /** Verifier key of the log. */
    public_key: string;
    sealed_key: string;
    created_at: number;
  };
  audit_tiles: {
    organization_id: string;
    level: number;
    tile: number;
    /** Up to 256 hashes of 32 bytes, base64. */
    hashes: string;
  };
  audit_checkpoints: { organization_id: string; size: number; at: number; note: string };
  audit_witnesses: {
    organization_id: string;
    agent_id: string;
    vm_id: string;
    /** The signed checkpoint that the agent said it keeps. */
    checkpoint: string | null;
    checkpoint_at: number | null;
    /** The highest head of the agent's own log. */
    head_seq: number | null;
    head_hash: string | null;
    head_at: number | null;
    /** Of the VM's policy, as its last hello said. */
    policy_sha256: string | null;
  };
  audit_cursors: { organization_id: string; sink: string; seq: number };
}

export type Row<T extends keyof Tables> = Selectable<Tables[T]>;
export type NewRow<T extends keyof Tables> = Insertable<Tables[T]>;
