import { describe, expect, it } from 'vitest';
import { checkClock } from '../../../provision/clock-check.ts';

const server = 'Mon, 23 Nov 2026 12:00:00 GMT';
const serverMs = Date.parse(server);

describe('the clock check', () => {
  it.each([0, 5 * 60_000, -5 * 60_000])('lets a difference of %d ms pass', (skew) => {
    expect(() => checkClock(server, serverMs + skew)).not.toThrow();
  });

  it.each([
    [86_400_000, '1.0 days ahead'],
    [-86_400_000, '1.0 days behind'],
    [-7_200_000, '2.0 hours behind'],
    [301_000, '5.0 minutes ahead'],
  ])('refuses a difference of %d ms, naming both times', (skew, words) => {
    expect(() => checkClock(server, serverMs + skew)).toThrow(
      expect.objectContaining({
        code: 'clock_skew',
        hint: expect.stringContaining('timedatectl'),
        message: expect.stringMatching(new RegExp(`2026-11-23T12:00:00.000Z.*${words}.*Nothing was sent`)),
      }),
    );
  });

  it('says nothing where the server tells no time', () => {
    expect(() => checkClock(undefined, 0)).not.toThrow();
    expect(() => checkClock('noon', 0)).not.toThrow();
  });
});
