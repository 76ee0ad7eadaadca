import { type Clock, every } from '../../base/clock.ts';
import type { Permission } from '../../protocol/roles.ts';
import type { Bus } from '../hub/bus.ts';
import type { Locks } from '../locks/locks.ts';
import type { Caller, CallerOf } from './auth.ts';

/** Hints may be lost, and dates pass without one: each open connection is looked at again this often. */
const CHECK_EVERY_MS = 15_000;

interface Watched {
  caller: Caller;
  organizationId: string;
  needs: Permission;
}

/**
 * For connections that outlive their request: event streams, terminals, transfers. Logging out, the end of a session,
 * another role and a revoked token end them at once, not at the next request.
 */
export interface LiveAccess {
  /** Whether what the caller showed still gives him this right in this organization. */
  stillAllowed(watched: Watched): Promise<boolean>;
  /**
   * Aborted once that is so no more, at the latest 15 s after the fact, and when `signal` is; give it to what is open.
   * `signal` must end with the connection: it ends the watch.
   */
  watch(watched: Watched & { signal: AbortSignal }): AbortSignal;
  close(): void;
}

/** The same where a lock on the caller ends what is open as well. */
export const withLocks = (
  access: Pick<LiveAccess, 'watch'>,
  locks: Pick<Locks, 'watch'>,
): Pick<LiveAccess, 'watch'> => ({
  watch(watched) {
    const allowed = access.watch(watched);
    const { actor } = watched.caller;
    return AbortSignal.any([allowed, locks.watch(watched.organizationId, { actor }, watched.signal)]);
  },
});

export function createLiveAccess(options: { callerOf: CallerOf; bus: Bus; clock: Clock }): LiveAccess {
  const { callerOf, bus, clock } = options;
  const open = new Set<() => Promise<void>>();

  const stillAllowed: LiveAccess['stillAllowed'] = async ({ caller, organizationId, needs }) => {
    const now = await callerOf(caller.credential);
    if (now === undefined) return false;
    const org = now.organizations.find(({ id }) => id === organizationId);
    return org !== undefined && (now.systemAdmin || org.permissions.has(needs));
  };

  const checkAll = () => {
    for (const check of open) void check();
  };
  const unsubscribe = bus.subscribe((hint) => {
    if (hint.topic === 'access') checkAll();
  });
  const timer = every(clock, CHECK_EVERY_MS, checkAll);

  return {
    stillAllowed,
    watch({ signal, ...watched }) {
      const ended = new AbortController();
      const check = async () => {
        // A store that cannot be read says nothing about rights; what must be stored does not get through then anyway.
        if (!(await stillAllowed(watched).catch(() => true))) ended.abort();
      };
      open.add(check);
      const both = AbortSignal.any([signal, ended.signal]);
      const forget = () => void open.delete(check);
      if (both.aborted) forget();
      else both.addEventListener('abort', forget, { once: true });
      return both;
    },
    close() {
      unsubscribe();
      timer.cancel();
      open.clear();
    },
  };
}
