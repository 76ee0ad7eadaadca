/** Two stages of a stop: `graceful` asks the parts to finish, `hard` makes them give up. */
export interface Shutdown {
  readonly graceful: AbortSignal;
  readonly hard: AbortSignal;
  /** Begins the graceful stage, or the hard one when it had begun before. */
  request(reason: string): void;
  dispose(): void;
}

/** SIGTERM or SIGINT once: graceful. Again: hard. Only wiring files call this. */
export function shutdownFromSignals(process: NodeJS.Process): Shutdown {
  const graceful = new AbortController();
  const hard = new AbortController();
  const request = (reason: string) =>
    (graceful.signal.aborted ? hard : graceful).abort(new Error(`stopped by ${reason}`));
  const onSignal = (signal: NodeJS.Signals) => request(signal);
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return {
    graceful: graceful.signal,
    hard: hard.signal,
    request,
    dispose() {
      process.off('SIGTERM', onSignal);
      process.off('SIGINT', onSignal);
    },
  };
}

/** Runs every step, the last opened first, whatever fails; then throws what failed. */
export async function closeAll(steps: readonly (() => void | Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps.toReversed()) {
    try {
      await step();
    } catch (cause) {
      failures.push(cause);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, 'several parts failed to close');
}
