import type { Generated } from 'kysely';

/** What is known of having been put back to a backup. See tables.ts for how columns are written. */
export interface RestoreTables {
  restores: {
    organization_id: string;
    id: string;
    at: number;
    /** The last moment that the restored data knows. */
    backup_at: number;
    source: 'backup' | 'in_place';
    /** Of commands from here on. */
    epoch: number;
    /** Sealed events of the organization's audit log that came back. */
    audit_size: number;
    /** 1: agents that the backup knows go on with certificates that it does not know. */
    admit_known: number;
    commands_held: number;
    rollouts_paused: number;
    tokens_revoked: number;
    /** Agents that showed a certificate of ours and are in no row of the backup. */
    agents_found: Generated<number>;
    /** Largest checkpoint of the lost log that an agent showed. */
    witnessed_size: Generated<number>;
    acknowledged_at: number | null;
    acknowledged_by: string | null;
  };
  /** Results of commands that were given after the backup was made. */
  lost_results: {
    organization_id: string;
    command_id: string;
    agent_id: string;
    restore_id: string;
    at: number;
    result: string;
  };
}
