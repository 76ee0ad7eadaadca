import { expect, it } from 'vitest';
import type { Caller } from '../../../../orchestrator/http/auth.ts';
import { createLiveAccess } from '../../../../orchestrator/http/live-access.ts';
import { memoryBus } from '../../../../orchestrator/hub/bus-memory.ts';
import { organizationIdSchema } from '../../../../protocol/ids.ts';
import { permissionsOf, type Role } from '../../../../protocol/roles.ts';
import { createFakeClock } from '../../../fakes/fake-clock.ts';

const ORG = organizationIdSchema.parse('org-01m8fbnsd4f5rqh6107s0eec5s');

const callerWith = (role: Role | undefined): Caller => ({
  credential: { type: 'session', id: 'ses-1' },
  actor: { type: 'user', id: 'usr-1', name: 'alice' },
  via: 'cookie',
  systemAdmin: false,
  organizations: role === undefined ? [] : [{ id: ORG, name: 'one', role, permissions: permissionsOf(role) }],
});

function rig() {
  const state: { now: Caller | undefined | Error; asked: number } = { now: callerWith('operator'), asked: 0 };
  const bus = memoryBus();
  const clock = createFakeClock();
  const access = createLiveAccess({
    bus,
    clock,
    callerOf: async () => {
      state.asked += 1;
      if (state.now instanceof Error) throw state.now;
      return state.now;
    },
  });
  const connection = new AbortController();
  const open = (needs: 'terminal.open' | 'jobs.read') =>
    access.watch({
      caller: callerWith('operator'),
      organizationId: ORG,
      needs,
      signal: connection.signal,
    });
  const aborted = (signal: AbortSignal) =>
    new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  return { state, bus, clock, access, connection, open, aborted };
}

it.each([
  ['the credential counts no more', undefined],
  ['he is in the organization no more', callerWith(undefined)],
  ['his role lacks the right', callerWith('viewer')],
])('[session-2] ends what is open at the hint that %s', async (_, now) => {
  const { state, bus, open, aborted } = rig();
  const signal = open('terminal.open');
  const end = aborted(signal);
  state.now = now;
  bus.publish({ topic: 'access' });
  await end;
});

it('leaves open what is still allowed', async () => {
  const { state, access } = rig();
  state.now = callerWith('viewer');
  const watched = { caller: callerWith('operator'), organizationId: ORG };
  expect(await access.stillAllowed({ ...watched, needs: 'jobs.read' })).toBe(true);
  expect(await access.stillAllowed({ ...watched, needs: 'terminal.open' })).toBe(false);
});

it('finds out without a hint, in time', async () => {
  const { state, clock, open, aborted } = rig();
  const end = aborted(open('jobs.read'));
  state.now = undefined;
  await clock.advance(15_000);
  await end;
});

it('ends nothing because the store cannot be read just now', async () => {
  const { state, bus, open } = rig();
  const signal = open('jobs.read');
  state.now = new Error('locked');
  bus.publish({ topic: 'access' });
  await Promise.resolve();
  await Promise.resolve();
  expect([state.asked, signal.aborted]).toEqual([1, false]);
});

it('forgets a connection that has ended', async () => {
  const { state, bus, connection, open } = rig();
  const signal = open('jobs.read');
  connection.abort();
  expect(signal.aborted).toBe(true);
  bus.publish({ topic: 'access' });
  expect(state.asked).toBe(0);
});
