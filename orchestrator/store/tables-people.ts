import type { Generated } from 'kysely';
import type { Role } from '../../protocol/roles.ts';

/** People and programs, and what stands between their wishes and the machines. See tables.ts for how columns are written. */
export interface PeopleTables {
  organizations: {
    id: string;
    name: string;
    created_at: number;
    command_epoch: number;
    /** Set: it is gone for everybody; what it holds is kept for the proof of its audit log. */
    deleted_at: number | null;
    /** How long after its certificate’s end a machine is let in without being asked about; null: never. */
    recovery_admit_s: number | null;
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
}
