import type { AuditEvent } from '../../../protocol/rest-audit.ts';

/** Sealed events of one log, in order, with the checkpoint that covers them. */
export interface Batch {
  log: string;
  events: readonly AuditEvent[];
  /** Stays the same when it is sent again: the receiver may drop what it has. */
  id: string;
}

/** Somewhere that copies go to. */
export interface Sink {
  /** Names its cursors; changes when the address does, so that a new receiver gets all there is. */
  readonly id: string;
  /** For people, without a secret. */
  readonly name: string;
  /** Resolves when the receiver has them, as far as its protocol can tell. */
  send(batch: Batch, signal: AbortSignal): Promise<void>;
  close(): void;
}
