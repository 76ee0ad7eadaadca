import { expect, it, vi } from 'vitest';
import { endAll } from '../../../../provision/removal/processes.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';

it('does not ask a process again that was asked to end before, which would tell it to give up', async () => {
  const clock = createFakeClock();
  const terminate = vi.fn();
  const looks = [[7, 8], [7, 8], [7], []];
  const ended = endAll(async () => looks.shift() ?? [], {
    host: { terminate },
    clock,
    signal: 'SIGTERM',
    withinMs: 1000,
    asked: [7],
  });
  for (let look = 0; look < 4; look++) await clock.advance(100);
  expect(await ended).toBe(true);
  expect(terminate.mock.calls).toEqual([[8, 'SIGTERM']]);
});
