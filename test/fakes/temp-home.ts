import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** A directory of one test's own. `await using home = await createTempHome()` removes it when the test ends. */
export interface TempHome extends AsyncDisposable {
  readonly path: string;
  /** A path inside, from its parts. */
  join(...parts: string[]): string;
  /** Removes the directory with all that is in it. Safe to call twice. */
  remove(): Promise<void>;
}

/** The path is short: a Unix socket's may not pass 107 bytes. An absolute prefix lies elsewhere than other temporary files. */
export async function createTempHome(prefix = 'vma-'): Promise<TempHome> {
  const path = await mkdtemp(resolve(tmpdir(), prefix));
  // Retried, because a process that is just ending may still write there.
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  return { path, join: (...parts) => join(path, ...parts), remove, [Symbol.asyncDispose]: remove };
}
