import { describe, expect, it } from 'vitest';
import type { Closed } from '../../../../agent/channel/connection.ts';
import {
  afterPoll,
  afterWebSocket,
  signOfBlock,
  trialDelay,
  type WayState,
  WEBSOCKET_FIRST,
} from '../../../../agent/channel/transport.ts';
import { AppError, type ErrorCode } from '../../../../protocol/errors.ts';
import { CLOSE } from '../../../../protocol/version.ts';

const closed = (over: Partial<Closed> = {}): Closed => ({
  wasOpen: false,
  code: 1006,
  reason: '',
  error: undefined,
  retryAfterS: undefined,
  ...over,
});
const refused = (status: number, ours?: ErrorCode): Closed =>
  closed({
    reached: 'tls',
    refusal: { status, ours: ours !== undefined, error: new AppError(ours ?? 'bad_request') },
  });
const cut = closed({ reached: 'upgrade' });
const unanswered = closed({ reached: 'tls' });
const unreachable = closed({ error: Object.assign(new Error(), { code: 'ECONNREFUSED' }) });
const stateAfter = (ends: readonly Closed[], openFor = 0, from: WayState = WEBSOCKET_FIRST) =>
  ends.reduce((state, end) => afterWebSocket(state, end, openFor), from);

describe('a blocked WebSocket', () => {
  it.each([403, 200, 400, 407, 426, 501, 502, 503])(
    'is known by one answer %i of something else',
    (status) => {
      const state = stateAfter([refused(status)]);
      expect(state).toMatchObject({ next: 'poll' });
      expect(state.why).toContain(String(status));
    },
  );

  it.each<ErrorCode>(['websocket_required', 'bad_request'])(
    'is known by our %s: the upgrade came without what makes it one',
    (code) => expect(stateAfter([refused(400, code)]).next).toBe('poll'),
  );

  it.each([
    ['opens and passes no frame', cut],
    ['is never answered', unanswered],
  ])('is known when it %s twice in a row', (_what, end) => {
    expect(stateAfter([end]).next).toBe('websocket');
    expect(stateAfter([end, end]).next).toBe('poll');
    expect(stateAfter([end, unreachable, end]).next).toBe('websocket');
  });

  it('is known when it is cut young three times in a row', () => {
    const young = closed({ wasOpen: true, reached: 'upgrade' });
    expect(stateAfter([young, young], 20_000).next).toBe('websocket');
    expect(stateAfter([young, young, young], 20_000).next).toBe('poll');
    expect(stateAfter([young, young, young], 61_000)).toEqual(WEBSOCKET_FIRST);
  });
});

describe('what is no sign of a block', () => {
  it.each<[string, Closed]>([
    ['nobody who listens', unreachable],
    ['another CA', closed({ error: Object.assign(new Error(), { code: 'SELF_SIGNED_CERT_IN_CHAIN' }) })],
    ['a certificate that was revoked', refused(403, 'certificate_revoked')],
    ['a certificate that is missing', refused(403, 'client_certificate_required')],
    ['credentials that do not count', refused(401, 'unauthenticated')],
    ['an orchestrator that is busy', refused(503, 'unavailable')],
    ...Object.entries(CLOSE).map(([name, code]): [string, Closed] => [
      `our close code ${name}`,
      closed({ reached: 'upgrade', code }),
    ]),
  ])('%s', (_what, end) => {
    expect(signOfBlock(end, 0)).toBeUndefined();
    expect(stateAfter(Array(10).fill(end)).next).toBe('websocket');
  });
});

describe('polls', () => {
  const polling = stateAfter([refused(403)]);

  it('are begun again when they worked, with a WebSocket tried soon', () => {
    expect(afterPoll({ ...polling, trials: 5 }, closed({ wasOpen: true }))).toMatchObject({
      next: 'poll',
      trials: 0,
    });
  });

  it('give way to a WebSocket when they do not work either, and are tried again after its next failure', () => {
    const both = afterPoll(polling, closed());
    expect(both.next).toBe('websocket');
    expect(stateAfter([cut], 0, both).next).toBe('poll');
  });

  it('come back at once when the WebSocket that was moved to is cut young, and not when it lived', () => {
    const young = closed({ wasOpen: true, reached: 'upgrade' });
    expect(stateAfter([young], 3000, polling).next).toBe('poll');
    expect(stateAfter([young], 120_000, polling)).toEqual(WEBSOCKET_FIRST);
  });

  it('[poll-3] never keep an agent from a WebSocket for ever', () => {
    const delays = Array.from({ length: 12 }, (_, trials) => trialDelay(trials, 600, () => 0.5));
    expect(delays.slice(0, 5)).toEqual([60_000, 120_000, 240_000, 480_000, 600_000]);
    expect(Math.max(...delays)).toBe(600_000);
    expect(trialDelay(0, 600, () => 0)).toBe(48_000);
    expect(trialDelay(0, 600, () => 0.999999)).toBeLessThan(72_000);
    expect(trialDelay(3, 2, () => 0.5)).toBe(2000);
  });
});
