import { useState } from 'preact/hooks';
import { joinPages, type Page } from '../model/pages.ts';
import type { ApiError } from '../net/api.ts';
import { usePolling } from '../net/hooks.ts';
import { useSubmit } from './use-submit.ts';

export interface Pages<T> {
  /** Undefined until the first answer. */
  items: readonly T[] | undefined;
  error: ApiError | undefined;
  refresh: () => void;
  /** Reads the next older page; undefined: there is none. */
  older: (() => void) | undefined;
  olderError: ApiError | undefined;
}

/** A list that grows at its beginning: its newest page is read again every `ms`, older ones when they are asked for. */
export function usePages<T extends { id: unknown }>(
  read: (cursor: string | null, signal?: AbortSignal) => Promise<Page<T>>,
  ms: number,
  inputs: readonly string[],
): Pages<T> {
  const of = JSON.stringify(inputs);
  const { data, error, refresh } = usePolling((signal) => read(null, signal), ms, [of]);
  const [kept, setKept] = useState<{ of: string; page: Page<T> } | undefined>(undefined);
  const { error: olderError, run } = useSubmit();
  const joined = data && joinPages(data, kept?.of === of ? kept.page : undefined);
  const cursor = joined?.next_cursor ?? null;
  const older = () =>
    void run(async () => {
      const page = await read(cursor);
      setKept({
        of,
        page: { items: [...(joined?.items ?? []), ...page.items], next_cursor: page.next_cursor },
      });
    });
  return { items: joined?.items, error, refresh, older: cursor === null ? undefined : older, olderError };
}
