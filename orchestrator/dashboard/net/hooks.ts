import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import { type ApiError, asApiError, serverNow } from './api.ts';
import { createStore, useStore } from './store.ts';

const tick = createStore(0);
let watchers = 0;
let ticker: ReturnType<typeof setInterval> | undefined;

/** The orchestrator's time (ms), drawn anew each second. */
export function useNow(): number {
  useStore(tick);
  useEffect(() => {
    watchers += 1;
    ticker ??= setInterval(() => tick.set(tick.get() + 1), 1000);
    return () => {
      watchers -= 1;
      if (watchers > 0) return;
      clearInterval(ticker);
      ticker = undefined;
    };
  }, []);
  return serverNow();
}

export interface Polled<T> {
  /** Undefined until the first answer; later the last good one, whatever happened since. */
  data: T | undefined;
  error: ApiError | undefined;
  refresh: () => void;
}

/** Reads again every `ms` while the page is visible, and at once when it becomes visible. */
export function usePolling<T>(
  read: (signal: AbortSignal) => Promise<T>,
  ms: number,
  inputs: readonly unknown[],
  /** Reasons to read again at once, with the old answer shown meanwhile. */
  reasons: readonly unknown[] = [],
): Polled<T> {
  const [state, setState] = useState<{ data: T | undefined; error: ApiError | undefined }>({
    data: undefined,
    error: undefined,
  });
  const [round, refresh] = useReducer<number, undefined>((n) => n + 1, 0);
  const latest = useRef(read);
  latest.current = read;
  // What was read for other inputs must not be shown as if it were for these.
  useEffect(() => setState({ data: undefined, error: undefined }), inputs);
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let reading = false;
    const run = async () => {
      clearTimeout(timer);
      if (reading) return;
      reading = true;
      try {
        const data = await latest.current(stop.signal);
        if (!stop.signal.aborted) setState({ data, error: undefined });
      } catch (error) {
        if (!stop.signal.aborted) setState((old) => ({ data: old.data, error: asApiError(error) }));
      }
      reading = false;
      if (!stop.signal.aborted && !document.hidden) timer = setTimeout(run, ms);
    };
    const onVisible = () => {
      if (!document.hidden) void run();
    };
    document.addEventListener('visibilitychange', onVisible);
    void run();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, [...inputs, ...reasons, round, ms]);
  return { ...state, refresh: () => refresh(undefined) };
}

/**
 * One key for each submission: a repeat after a lost answer carries the same one, so that it cannot run twice. Once
 * an answer came, `settle` it, so that the same text sent again on purpose is a new submission.
 */
export function useIdempotencyKey(): { keyFor: (body: unknown) => string; settle: () => void } {
  const last = useRef<{ body: string; key: string } | undefined>(undefined);
  return {
    keyFor(body) {
      const text = JSON.stringify(body);
      if (last.current?.body !== text) last.current = { body: text, key: crypto.randomUUID() };
      return last.current.key;
    },
    settle() {
      last.current = undefined;
    },
  };
}
