import type { CliDeps } from './deps.ts';

/** How far a transfer is, on one line of a terminal that is written over; elsewhere nothing. */
export interface ProgressLine {
  show(done: number, size: number): void;
  end(): void;
}

const EVERY_MS = 200;
const megabytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MB`;

export function progressLine(
  { stderr, clock }: Pick<CliDeps, 'stderr' | 'clock'>,
  from: number,
): ProgressLine {
  const began = clock.monotonic();
  let shownAt = Number.NEGATIVE_INFINITY;
  let width = 0;
  return {
    show(done, size) {
      const now = clock.monotonic();
      if (stderr.isTTY !== true || (now - shownAt < EVERY_MS && done < size)) return;
      shownAt = now;
      const speed = ((done - from) * 1000) / Math.max(1, now - began);
      const share = size === 0 ? 100 : Math.floor((done / size) * 100);
      const text = `${megabytes(done)} of ${megabytes(size)} (${share} %), ${megabytes(speed)}/s`;
      stderr.write(`\r${text.padEnd(width)}`);
      width = text.length;
    },
    end() {
      if (width > 0) stderr.write('\n');
    },
  };
}
