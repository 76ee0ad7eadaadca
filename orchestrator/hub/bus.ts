/**
 * What replicas tell each other. Each is a hint that may be lost or doubled: the truth is in the store, which
 * everybody who waits for a hint reads again from time to time anyway.
 */
export type Hint =
  /** New events of a job can be read. */
  | { topic: 'job'; organization_id: string; job_id: string }
  /** An agent's commands changed: something to send, or to cancel. */
  | { topic: 'agent'; agent_id: string; unlocked?: true }
  /** What is shown of agents changed: `agent`, anything; `load`, what a heartbeat says. */
  | { topic: 'fleet'; organization_id: string; agent_ids: readonly string[]; what: 'agent' | 'load' }
  /** An agent no longer counts, or one certificate of it. */
  | { topic: 'revoked'; agent_id: string; state?: 'quarantined'; certificate?: string }
  /** Somebody’s rights, session or token changed: who holds a connection open is looked at again. */
  | { topic: 'access' }
  /** An approval was asked for, or is over. */
  | { topic: 'approvals'; organization_id: string }
  /** Locks of an organization changed: live sessions and queues are looked at again. */
  | { topic: 'locks'; organization_id: string };

export interface Bus {
  publish(hint: Hint): void;
  /** Returns what ends the subscription. Listeners must not throw. */
  subscribe(listener: (hint: Hint) => void): () => void;
  /** As `subscribe`, for the hints of one job; many readers wait, and each hint should find its own ones alone. */
  subscribeJob(organizationId: string, jobId: string, listener: () => void): () => void;
  close(): Promise<void>;
}
