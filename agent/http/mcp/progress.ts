import type { Clock } from '../../../base/clock.ts';
import type { ProgressReport } from '../../tools/tool.ts';

/** The first sign of life of a call that does not answer at once… */
const FIRST_MS = 2000;
/** …and the next ones: clients give a silent call up after as little as a minute. */
const BEAT_MS = 10_000;
/** More reports than that are no use to anybody. */
const SPACING_MS = 200;

export interface ProgressBeat {
  report(report: ProgressReport): void;
  end(): void;
}

/**
 * Sends a call's progress: what the tool reports, and a sign of life when it reports nothing. The numbers only grow,
 * as the protocol demands, and nothing is sent after the end.
 */
export function progressBeat(options: {
  clock: Clock;
  /** What to say when the tool says nothing. */
  describe: (elapsedS: number) => string;
  send: (report: ProgressReport) => void;
}): ProgressBeat {
  const { clock, describe, send } = options;
  const began = clock.monotonic();
  let sentAt: number | undefined;
  let last = 0;
  let ended = false;
  const emit = ({ progress, total, message }: ProgressReport) => {
    last = progress > last ? progress : last + 0.001;
    sentAt = clock.monotonic();
    send({ progress: last, ...(total === undefined || total < last ? {} : { total }), message });
  };
  const beat = () => {
    if (ended) return;
    const now = clock.monotonic();
    if (sentAt === undefined || now - sentAt >= BEAT_MS) {
      const elapsedS = Math.round((now - began) / 1000);
      emit({ progress: elapsedS, message: describe(elapsedS) });
    }
    const left = BEAT_MS - (now - (sentAt ?? now));
    timer = clock.setTimer(left, beat, { background: true });
  };
  let timer = clock.setTimer(FIRST_MS, beat, { background: true });
  return {
    report(report) {
      if (ended || (sentAt !== undefined && clock.monotonic() - sentAt < SPACING_MS)) return;
      emit(report);
    },
    end() {
      ended = true;
      timer.cancel();
    },
  };
}
