import type { Random } from '../../base/random.ts';
import type { Transport } from '../../protocol/rest-fleet.ts';
import type { Closed } from './connection.ts';

/**
 * Which way to the orchestrator: a WebSocket, or polls where something on the way blocks WebSockets. Signs of a block
 * have weights that add up over failures in a row; from {@link BLOCKED} on polls are tried. A wrong guess costs one
 * request: polls that do not work either lead back to the WebSocket.
 */
export interface WayState {
  next: Transport;
  suspicion: number;
  /** What the last sign was, for people. */
  why: string | undefined;
  /** Trials of a WebSocket since polls were last begun for a new reason. */
  trials: number;
}

export const WEBSOCKET_FIRST: WayState = { next: 'websocket', suspicion: 0, why: undefined, trials: 0 };

const BLOCKED = 6;
/** A WebSocket that lived so long is not blocked (ms). */
const WORKED_MS = 60_000;
const [CERTAIN, STRONG, WEAK] = [BLOCKED, BLOCKED / 2, BLOCKED / 3];
/** What only we say; a proxy closes without a word, or by a code of its own. */
const isOurCode = (code: number | undefined): boolean => code !== undefined && code >= 4000 && code < 4100;
/** Refusals of an orchestrator that got an upgrade without what makes it one. */
const MANGLED: ReadonlySet<string> = new Set(['websocket_required', 'bad_request']);

/** What the end of a WebSocket says about a block; undefined: nothing. */
export function signOfBlock(closed: Closed, openForMs: number): { weight: number; why: string } | undefined {
  const { refusal, code, reached, wasOpen } = closed;
  if (refusal !== undefined) {
    const answered = `the upgrade was answered with HTTP status ${refusal.status}`;
    if (!refusal.ours) return { weight: CERTAIN, why: `${answered}, not by the orchestrator` };
    return MANGLED.has(refusal.error.code)
      ? { weight: CERTAIN, why: 'the request for a WebSocket reached the orchestrator without its upgrade' }
      : undefined;
  }
  if (isOurCode(code)) return undefined;
  if (wasOpen)
    return openForMs >= WORKED_MS
      ? undefined
      : { weight: WEAK, why: `the WebSocket was cut after ${Math.round(openForMs / 1000)} s` };
  if (reached === 'upgrade')
    return { weight: STRONG, why: 'the WebSocket opened, but no frame passed through it' };
  // TLS stood with the right certificate, and then there was no answer.
  return reached === 'tls' ? { weight: STRONG, why: 'the upgrade was never answered' } : undefined;
}

export function afterWebSocket(state: WayState, closed: Closed, openForMs: number): WayState {
  if (closed.wasOpen && openForMs >= WORKED_MS) return WEBSOCKET_FIRST;
  const sign = signOfBlock(closed, openForMs);
  // Anything else says nothing about WebSockets, and ends the row.
  if (sign === undefined) return { ...state, next: 'websocket', suspicion: 0 };
  const suspicion = Math.min(state.suspicion + sign.weight, BLOCKED);
  return { ...state, next: suspicion >= BLOCKED ? 'poll' : 'websocket', suspicion, why: sign.why };
}

export function afterPoll(state: WayState, closed: Closed): WayState {
  // It worked: after a restart or in another network polls are the quickest way back, and a WebSocket is tried soon.
  if (closed.wasOpen) return { ...state, next: 'poll', trials: 0 };
  return { ...state, next: 'websocket', suspicion: BLOCKED - STRONG };
}

const FIRST_TRIAL_S = 60;

/** How long after the last time a WebSocket is tried again beside polls that work (ms): 1 min, then doubled up to `longestS`. */
export const trialDelay = (trials: number, longestS: number, random: Random): number =>
  Math.min(FIRST_TRIAL_S * 2 ** Math.min(trials, 10), longestS) * 1000 * (0.8 + 0.4 * random());
