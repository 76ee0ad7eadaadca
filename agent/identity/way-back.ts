import { type Clock, isoTime } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { fullJitter, type Random } from '../../base/random.ts';
import type { RenewResponse } from '../../protocol/rest-registration.ts';
import { isClockFailure, type RecoveryOutcome, skewText } from './recovery.ts';

/** The first try after a start or a long sleep: whoever slept together does not come together. */
const FIRST_MS = 5000;
const BASE_MS = 5000;
const CAP_MS = 5 * 60_000;
/** A machine that slept does not count the time: its clock is looked at this often. */
const LOOK_MS = 60_000;

/** Whether to ask to come back. Pure. */
export function needsWayBack(facts: {
  now: number;
  /** End of the certificate in use (ms since the epoch). */
  endMs: number;
  connected: boolean;
  /** The orchestrator said since the last connection that the certificate has ended. */
  told: boolean;
}): boolean {
  // Who is connected needs nothing, whatever his own clock says.
  return !facts.connected && (facts.told || facts.now >= facts.endMs);
}

/** How long until the next try. Pure but for chance. */
export function nextTryIn(outcome: RecoveryOutcome | undefined, failures: number, random: Random): number {
  if (outcome?.kind === 'waiting') return outcome.retryAfterMs * (1 + 0.2 * random());
  // At least the base: a clock that is wrong, or an answer that will not change, makes no storm.
  return BASE_MS + fullJitter({ failures, baseMs: BASE_MS, capMs: CAP_MS - BASE_MS, random });
}

export interface WayBackOptions {
  clock: Clock;
  random: Random;
  log: Logger;
  endMs(): number;
  isConnected(): boolean;
  ask(): Promise<RecoveryOutcome>;
  /** Puts the certificate to use. `serverMs`: the time by the orchestrator's clock. */
  install(answer: RenewResponse, serverMs: number): Promise<void>;
  /** Whether anything keeps the machine out, with a sentence for people. */
  onStatus(ok: boolean, detail: string): void;
}

export interface WayBack {
  /** The orchestrator says that the certificate has ended. */
  told(): void;
  readonly done: Promise<void>;
}

/**
 * Looks after a certificate that ended before it could be renewed, for as long as the agent runs. Whatever is answered,
 * the identity stays on disk and the agent goes on asking: only a person ends it.
 */
export function startWayBack(options: WayBackOptions, signal: AbortSignal): WayBack {
  const { clock, random, log, onStatus } = options;
  let told = false;
  let wake = new AbortController();

  const needed = () =>
    needsWayBack({ now: clock.now(), endMs: options.endMs(), connected: options.isConnected(), told });

  async function tryOnce(): Promise<RecoveryOutcome | undefined> {
    try {
      const outcome = await options.ask();
      const skew = skewText(clock.now(), outcome.serverMs);
      if (outcome.kind === 'not_ended') {
        onStatus(
          false,
          `the certificate counts by the orchestrator's clock${skew === undefined ? '' : `; ${skew}`}`,
        );
        return outcome;
      }
      if (outcome.kind === 'waiting') {
        onStatus(false, skew === undefined ? outcome.detail : `${outcome.detail}; ${skew}`);
        log.warn({ again_in_s: outcome.retryAfterMs / 1000 }, outcome.detail);
        return outcome;
      }
      await options.install(outcome.answer, outcome.serverMs);
      told = false;
      onStatus(true, 'let back in with a new certificate');
      log.info({ expires_at: outcome.answer.expires_at }, 'let back in with a new certificate');
      return outcome;
    } catch (cause) {
      const why = isClockFailure(cause)
        ? `the orchestrator's certificate does not count at this machine's time, ${isoTime(clock.now())}: check the clock`
        : cause instanceof Error
          ? cause.message
          : String(cause);
      onStatus(false, `the certificate has ended, and asking to come back failed: ${why}`);
      log.warn({ err: cause }, `asking to come back failed; the identity is kept: ${why}`);
      return undefined;
    }
  }

  async function pause(ms: number): Promise<void> {
    wake = new AbortController();
    await clock.sleep(ms, AbortSignal.any([signal, wake.signal])).catch(() => undefined);
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      if (!needed()) {
        const left = options.endMs() - clock.now();
        // At its very end the server closes the connection, and says so.
        await pause(left > 0 ? Math.min(LOOK_MS, left) : LOOK_MS);
        continue;
      }
      await pauseFor(random() * FIRST_MS);
      let outcome: RecoveryOutcome | undefined;
      for (let failures = 0; !signal.aborted && needed(); failures++) {
        outcome = await tryOnce();
        if (outcome?.kind === 'certificate') break;
        if (outcome?.kind === 'waiting') failures = 0;
        await pauseFor(nextTryIn(outcome, failures, random));
      }
      if (outcome?.kind !== 'certificate' && options.isConnected()) {
        told = false;
        onStatus(true, 'connected');
      }
    }
  }
  /** Not cut short by being told again: it is being dealt with. */
  const pauseFor = (ms: number) => clock.sleep(ms, signal).catch(() => undefined);

  return {
    told() {
      told = true;
      wake.abort();
    },
    done: run(),
  };
}
