import { useState } from 'preact/hooks';
import { type ApiError, asApiError } from '../net/api.ts';

export interface Submission {
  busy: boolean;
  error: ApiError | undefined;
  /** Runs the work unless it is running; false: it failed, and `error` says why. */
  run(work: () => Promise<void>): Promise<boolean>;
}

/** One change at a time, and what it was refused with. */
export function useSubmit(): Submission {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  return {
    busy,
    error,
    async run(work) {
      if (busy) return false;
      setBusy(true);
      setError(undefined);
      try {
        await work();
        return true;
      } catch (cause) {
        setError(asApiError(cause));
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
