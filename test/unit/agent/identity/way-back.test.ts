import { afterEach, describe, expect, it } from 'vitest';
import type { RecoveryOutcome } from '../../../../agent/identity/recovery.ts';
import { agentUrl, skewText } from '../../../../agent/identity/recovery.ts';
import { needsWayBack, nextTryIn, startWayBack } from '../../../../agent/identity/way-back.ts';
import { silentLogger } from '../../../../base/logger.ts';
import type { RenewResponse } from '../../../../protocol/rest-registration.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';

const DAY = 24 * 3600_000;
let stopping = new AbortController();
afterEach(() => {
  stopping.abort();
  stopping = new AbortController();
});

/** The loop on a clock that the test turns. `answers` are taken in turn, the last one again and again. */
function begin(
  answers: ((serverMs: number) => RecoveryOutcome)[],
  facts: { endsIn: number; connected?: boolean },
) {
  const clock = createFakeClock();
  const state = {
    clock,
    connected: facts.connected ?? false,
    endMs: clock.now() + facts.endsIn,
    skewMs: 0,
    asked: [] as number[],
    installed: 0,
    said: [] as [boolean, string][],
    wayBack: undefined as unknown as ReturnType<typeof startWayBack>,
    pass: (ms: number) => clock.advance(ms),
  };
  state.wayBack = startWayBack(
    {
      clock,
      random: () => 0.5,
      log: silentLogger,
      endMs: () => state.endMs,
      isConnected: () => state.connected,
      async ask() {
        state.asked.push(clock.now());
        const answer = answers.length > 1 ? answers.shift() : answers[0];
        if (answer === undefined) throw new Error('no answer');
        return answer(clock.now() - state.skewMs);
      },
      async install() {
        state.installed += 1;
        state.endMs = clock.now() + 30 * DAY;
        state.connected = true;
      },
      onStatus: (ok, detail) => state.said.push([ok, detail]),
    },
    stopping.signal,
  );
  return state;
}

const waiting = (serverMs: number): RecoveryOutcome => ({
  kind: 'waiting',
  detail: 'waiting for an operator',
  retryAfterMs: 30_000,
  serverMs,
});
const issued = (serverMs: number): RecoveryOutcome => ({
  kind: 'certificate',
  answer: { expires_at: 'later' } as RenewResponse,
  serverMs,
});
const failing = (): RecoveryOutcome => {
  throw new Error('no route');
};

describe('the way back', () => {
  it('begins by itself when the certificate ends, and asks until somebody admits the machine', async () => {
    const run = begin([waiting, waiting, issued], { endsIn: 2 * DAY });
    await run.pass(DAY);
    expect(run.asked).toEqual([]);
    await run.pass(DAY + 120_000);
    expect(run.asked.length).toBe(3);
    const [first = 0, second = 0] = run.asked;
    expect(second - first).toBeGreaterThanOrEqual(30_000);
    expect(run.said[0]).toEqual([false, 'waiting for an operator']);
    expect([run.installed, run.said.at(-1)?.[0]]).toEqual([1, true]);
    await run.pass(DAY);
    expect(run.asked.length).toBe(3);
  });

  it('begins as soon as the orchestrator says that it has ended, whatever the own clock says', async () => {
    const run = begin([issued], { endsIn: 20 * DAY });
    await run.pass(10_000);
    run.wayBack.told();
    await run.pass(5000);
    expect([run.asked.length, run.installed]).toEqual([1, 1]);
  });

  it('leaves one alone that is connected', async () => {
    const run = begin([issued], { endsIn: -DAY, connected: true });
    run.wayBack.told();
    await run.pass(3600_000);
    expect(run.asked).toEqual([]);
  });

  it('makes no storm of failures: an hour of them is a few dozen tries', async () => {
    const run = begin([failing], { endsIn: -DAY });
    await run.pass(3600_000);
    expect(run.asked.length).toBeGreaterThan(5);
    expect(run.asked.length).toBeLessThan(60);
    expect(run.said.at(-1)).toEqual([false, expect.stringContaining('no route')]);
  });

  it('names a clock that is wrong, and does not give its certificate up for it', async () => {
    const run = begin([(serverMs) => ({ kind: 'not_ended', serverMs })], { endsIn: -DAY });
    run.skewMs = 3650 * DAY;
    await run.pass(3600_000);
    expect(run.asked.length).toBeLessThan(60);
    expect(run.said.at(-1)).toEqual([
      false,
      expect.stringMatching(/3650 days ahead of the orchestrator's: set it$/),
    ]);
    expect(run.installed).toBe(0);
  });
});

describe('its decisions', () => {
  it('are about the end, the word of the orchestrator, and the connection', () => {
    const facts = { now: 10, endMs: 20, connected: false, told: false };
    expect(needsWayBack(facts)).toBe(false);
    expect(needsWayBack({ ...facts, now: 20 })).toBe(true);
    expect(needsWayBack({ ...facts, told: true })).toBe(true);
    expect(needsWayBack({ ...facts, now: 20, told: true, connected: true })).toBe(false);
  });

  it('wait longer with each failure, at least five seconds and at most five minutes', () => {
    for (const random of [() => 0, () => 0.999])
      for (let failures = 0; failures < 40; failures++) {
        const wait = nextTryIn(undefined, failures, random);
        expect(wait).toBeGreaterThanOrEqual(5000);
        expect(wait).toBeLessThanOrEqual(300_000);
      }
  });

  it('ask where the channel is', () => {
    const url = agentUrl(
      'wss://orch.example:8443/base/api/v1/agents/vm-web-0a1b2c/ws?x=1',
      'agt-1',
      'recover',
    );
    expect(url.href).toBe('https://orch.example:8443/base/api/v1/agents/agt-1/recover');
  });

  it('say how far a clock is off, and nothing of one that is good enough', () => {
    expect(skewText(0, 60_000)).toBeUndefined();
    expect(skewText(0, 3 * 3600_000)).toContain('3.0 h behind');
    expect(skewText(10 * 60_000, 0)).toContain('10 min ahead of');
  });
});
