import type { Random } from '../../base/random.ts';
import { reconnectDelay } from './backoff.ts';
import type { Closed } from './connection.ts';

/** What is known of earlier connections. */
export interface ReconnectState {
  failures: number;
  everConnected: boolean;
  retryAfterMs: number | undefined;
}

export const FRESH: ReconnectState = { failures: 0, everConnected: false, retryAfterMs: undefined };

/** A connection that did not last this long counts as a failure, so that one that is dropped at once backs off. */
const WORKING_MS = 10_000;

export function afterConnection(state: ReconnectState, closed: Closed, openForMs: number): ReconnectState {
  const worked = closed.wasOpen && openForMs >= WORKING_MS;
  return {
    failures: worked ? 0 : state.failures + 1,
    everConnected: state.everConnected || closed.wasOpen,
    retryAfterMs: closed.retryAfterS === undefined ? undefined : closed.retryAfterS * 1000,
  };
}

export const nextDelay = (state: ReconnectState, random: Random): number =>
  reconnectDelay({ ...state, random });
