import { describe, expect, it } from 'vitest';
import { isPassing, pollPause, shorterHold } from '../../../../agent/channel/poll-timing.ts';

describe('the time between polls that bring nothing', () => {
  it('is command_poll_interval from one beginning to the next', () => {
    expect(pollPause(0, 5)).toBe(5000);
    expect(pollPause(2000, 5)).toBe(3000);
    expect(pollPause(15_000, 5)).toBe(0);
  });

  it('is never so long that the agent is taken for gone', () => expect(pollPause(0, 3600)).toBe(10_000));
});

describe('a hold that broke off', () => {
  it('makes the next one shorter than what passed', () => expect(shorterHold(15, 10_000)).toBe(7));
  it('never makes it longer, and leaves a second', () => {
    expect(shorterHold(3, 14_000)).toBe(3);
    expect(shorterHold(15, 2000)).toBe(1);
  });
  it('says nothing when it broke off at once', () => expect(shorterHold(15, 100)).toBe(15));
});

it('takes what gateways say of a restart for passing, and nothing else', () => {
  expect([408, 429, 502, 503, 504].every(isPassing)).toBe(true);
  expect([200, 301, 400, 401, 403, 404, 410, 413].some(isPassing)).toBe(false);
});
