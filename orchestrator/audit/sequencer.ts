import { type Clock, every } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Store } from '../store/store.ts';
import { BrokenLog, type SealOptions, seal, unsealedLogs } from './seal.ts';

/** Twice in the second within which an event must be sealed. */
const SEAL_MS = 400;
/** A log that cannot be sealed is told of this often. */
const COMPLAIN_MS = 60_000;

export interface Sequencer {
  /** Seals all that is there now. */
  run(): Promise<void>;
  /** For how long some log could not be sealed (ms, by the monotonic clock); 0: all is well. */
  brokenMs(): number;
  /** Seals what is left, and stops. */
  close(): Promise<void>;
}

/**
 * Seals the events of every log. Recording an event stays one insert; what gathers within a tick is sealed by one
 * transaction, so that a busy log costs no more syncs of the disk than a quiet one.
 */
export function createSequencer(
  options: SealOptions & { store: Store; clock: Clock; log: Logger },
): Sequencer {
  const { store, clock, log } = options;
  const complained = new Map<string, number>();
  /** Since when each log fails; the empty name: which logs there are could not be read. */
  const failing = new Map<string, number>();
  const failed = (name: string) => failing.set(name, failing.get(name) ?? clock.monotonic());
  let running: Promise<void> | undefined;

  async function sealLog(name: string): Promise<void> {
    for (let more = true; more; ) {
      const sealed = await store.transaction((tx) => seal(tx, name, { ...options, now: clock.now() }));
      if (sealed === undefined) return;
      more = sealed.more;
    }
  }

  async function once(): Promise<void> {
    const names = await unsealedLogs(store.db).catch((cause: unknown) => {
      failed('');
      throw cause;
    });
    // What has nothing to seal cannot fail at it.
    for (const name of failing.keys()) if (!names.includes(name)) failing.delete(name);
    for (const name of names) {
      const sealed = sealLog(name).then(() => void failing.delete(name));
      await sealed.catch((cause: unknown) => {
        failed(name);
        if (clock.monotonic() - (complained.get(name) ?? Number.NEGATIVE_INFINITY) < COMPLAIN_MS) return;
        complained.set(name, clock.monotonic());
        log.error(
          { err: cause, log: name },
          cause instanceof BrokenLog
            ? 'the audit log was changed by somebody else, and is not sealed any more: run `vm-orchestrator audit verify`'
            : 'the audit log could not be sealed; trying again',
        );
      });
    }
  }

  const run = (): Promise<void> => {
    running ??= once().finally(() => {
      running = undefined;
    });
    return running;
  };
  const tick = () =>
    void run().catch((cause: unknown) => log.error({ err: cause }, 'the audit log could not be read'));
  const timer = every(clock, SEAL_MS, tick);
  // What a crash left unsealed does not wait for the first tick.
  tick();

  return {
    run,
    brokenMs: () => clock.monotonic() - Math.min(clock.monotonic(), ...failing.values()),
    async close() {
      timer.cancel();
      await running?.catch(() => undefined);
      await run().catch(() => undefined);
    },
  };
}
