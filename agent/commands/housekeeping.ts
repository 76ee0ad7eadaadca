import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Journal } from './journal.ts';

const PRUNE_EVERY_MS = 3_600_000;
const KEEP_ENDED_MS = 7 * 24 * 3_600_000;

/** Forgets old entries of the journal, every hour until the signal. */
export function keepTidy(options: {
  journal: Pick<Journal, 'prune'>;
  clock: Clock;
  log: Logger;
  onJournal(ok: boolean, detail: string): void;
  signal: AbortSignal;
}): void {
  const { journal, clock, log, onJournal, signal } = options;
  const prune = () => {
    try {
      journal.prune(clock.now(), KEEP_ENDED_MS);
      onJournal(true, 'writable');
    } catch (cause) {
      log.error({ err: cause }, 'the journal cannot be pruned');
      onJournal(false, `cannot be written: ${(cause as Error).message}`);
    }
    timer = clock.setTimer(PRUNE_EVERY_MS, prune, { background: true });
  };
  let timer = clock.setTimer(PRUNE_EVERY_MS, prune, { background: true });
  signal.addEventListener('abort', () => timer.cancel(), { once: true });
}
