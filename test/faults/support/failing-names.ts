import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { preloadable } from './preload.ts';

/** A resolver that fails for one name, in one process; its library and table are made in `home`. */
export interface FailingNames {
  name: string;
  /** For the process. */
  env: Record<string, string>;
  /** From now on: an address, `EAI_AGAIN` (nobody to ask) or `EAI_NONAME` (there is no such name). */
  resolve(to: string): void;
}

export function failingNames(home: string, to: string): FailingNames {
  const name = 'orchestrator.example.invalid';
  const table = join(home, 'failing-names.table');
  const resolve = (next: string) => writeFileSync(table, next);
  resolve(to);
  const library = preloadable(home, 'failing-names');
  return {
    name,
    env: { LD_PRELOAD: library, FAILING_NAMES_NAME: name, FAILING_NAMES_TABLE: table },
    resolve,
  };
}
