import type { Generated } from 'kysely';

/** The audit log, and what proves it. See tables.ts for how columns are written. */
export interface AuditTables {
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
