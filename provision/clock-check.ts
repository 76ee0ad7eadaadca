import { isoTime } from '../base/clock.ts';
import { AppError } from '../protocol/errors.ts';

/** A clock further off than this makes certificates look expired, or not yet valid. */
export const MAX_SKEW_MS = 5 * 60_000;

const HINT =
  'Set the clock (for example: timedatectl set-ntp true, or date -u -s "<time>") and run the same command again.';

/** @throws AppError `clock_skew` naming both times. `serverDate` is the `Date` header of an answer. */
export function checkClock(serverDate: string | undefined, nowMs: number): void {
  const serverMs = serverDate === undefined ? Number.NaN : Date.parse(serverDate);
  if (Number.isNaN(serverMs)) return;
  const skew = nowMs - serverMs;
  if (Math.abs(skew) <= MAX_SKEW_MS) return;
  throw new AppError('clock_skew', {
    detail: `This machine's clock says ${isoTime(nowMs)}, the orchestrator's says ${isoTime(serverMs)}: ${describe(skew)}. Nothing was sent.`,
    hint: HINT,
    context: { skew_s: Math.round(skew / 1000) },
  });
}

/** The same, when TLS itself found the certificate's dates wrong before any answer could come. */
export function clockSuspected(nowMs: number, cause: Error): AppError {
  return new AppError('clock_skew', {
    detail: `This machine's clock says ${isoTime(nowMs)}, at which the orchestrator's certificate is not valid (${cause.message}). Nothing was sent.`,
    hint: HINT,
    cause,
  });
}

function describe(skewMs: number): string {
  const seconds = Math.abs(skewMs) / 1000;
  const [amount, unit] =
    seconds >= 86_400
      ? [seconds / 86_400, 'days']
      : seconds >= 3600
        ? [seconds / 3600, 'hours']
        : [seconds / 60, 'minutes'];
  return `${amount.toFixed(1)} ${unit} ${skewMs > 0 ? 'ahead' : 'behind'}`;
}
