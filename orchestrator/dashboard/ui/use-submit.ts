import { useState } from 'preact/hooks';
import { type ApiError, asApiError } from '../net/api.ts';
import { useIdempotencyKey } from '../net/hooks.ts';

export interface Submission {
  busy: boolean;
  error: ApiError | undefined;
  /**
   * Runs the work unless it is running; false: it failed, and `error` says why. `key` is an Idempotency-Key: the same
   * for a repeat of what was `asked` for when the answer was lost.
   */
  run(work: (key: string) => Promise<unknown>, asked?: unknown): Promise<boolean>;
}

/** One change at a time, and what it was refused with. */
export function useSubmit(): Submission {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const idempotency = useIdempotencyKey();
  return {
    busy,
    error,
    async run(work, asked = null) {
      if (busy) return false;
      setBusy(true);
      setError(undefined);
      try {
        await work(idempotency.keyFor(asked));
        idempotency.settle();
        return true;
      } catch (cause) {
        const failure = asApiError(cause);
        // Refused for good: what is sent next is another submission, even if it reads the same.
        if (failure.status >= 400 && failure.status < 500) idempotency.settle();
        setError(failure);
        return false;
      } finally {
        setBusy(false);
      }
    },
  };
}

/** The text of a form’s field. */
export const fieldOf = (event: Event, name: string): string =>
  String(new FormData(event.currentTarget as HTMLFormElement).get(name) ?? '');
