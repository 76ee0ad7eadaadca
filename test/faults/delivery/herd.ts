import { afterConnection, FRESH, nextDelay, type ReconnectState } from '../../../agent/channel/reconnect.ts';
import type { Random } from '../../../base/random.ts';

export interface Herd {
  /** Most attempts in one second after the server was back. */
  peakPerSecond: number;
  /** From then until the last agent is connected (ms). */
  allBackMs: number;
  /** Until 99 of 100 are. */
  p99Ms: number;
  /** Most attempts of one agent while the server was away. */
  attemptsWhileAway: number;
}

const WORKED_MS = 60_000;
const LOST = { wasOpen: true, code: 1006, reason: '', error: undefined, retryAfterS: undefined };
const REFUSED = { ...LOST, wasOpen: false };

/**
 * The real policy on a made-up time: agents lose their server at once, are refused while it is away, and are then taken at
 * `perSecond` handshakes, one after the other; whoever waits for longer than `patienceMs` tries again.
 */
export function simulateHerd(options: {
  agents: number;
  awayMs: number;
  perSecond: number;
  patienceMs: number;
  random: Random;
}): Herd {
  const { agents, awayMs, perSecond, patienceMs, random } = options;
  const queue = Array.from({ length: agents }, () => {
    const state = afterConnection({ ...FRESH, everConnected: true }, LOST, WORKED_MS);
    return { at: nextDelay(state, random), state, tries: 0 };
  });
  const perBucket = new Map<number, number>();
  const back: number[] = [];
  let attemptsWhileAway = 0;
  /** When the server has time for the next handshake. */
  let free = awayMs;
  const again = (agent: (typeof queue)[number], at: number) => {
    agent.state = afterConnection(agent.state, REFUSED, 0) satisfies ReconnectState;
    agent.at = at + nextDelay(agent.state, random);
    queue.push(agent);
  };
  while (queue.length > 0) {
    queue.sort((a, b) => b.at - a.at);
    // All who come before the earliest of those who may come back after them.
    const horizon = (queue.at(-1)?.at ?? 0) + 50;
    const due = [];
    for (let next = queue.at(-1); next !== undefined && next.at <= horizon; next = queue.at(-1)) {
      queue.pop();
      due.push(next);
    }
    for (const agent of due) {
      agent.tries += 1;
      if (agent.at < awayMs) {
        attemptsWhileAway = Math.max(attemptsWhileAway, agent.tries);
        again(agent, agent.at);
        continue;
      }
      const second = Math.floor((agent.at - awayMs) / 1000);
      perBucket.set(second, (perBucket.get(second) ?? 0) + 1);
      const served = Math.max(free, agent.at) + 1000 / perSecond;
      if (served - agent.at > patienceMs) {
        again(agent, agent.at + patienceMs);
        continue;
      }
      free = served;
      back.push(served - awayMs);
    }
  }
  back.sort((a, b) => a - b);
  return {
    peakPerSecond: Math.max(...perBucket.values()),
    allBackMs: back.at(-1) ?? 0,
    p99Ms: back[Math.floor(back.length * 0.99)] ?? 0,
    attemptsWhileAway,
  };
}
