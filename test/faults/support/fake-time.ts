import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LIBRARIES = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map(
  (machine) => `/usr/lib/${machine}/faketime/libfaketimeMT.so.1`,
);
const LIBRARY = LIBRARIES.find((path) => existsSync(path));

export const hasFaketime = LIBRARY !== undefined;

/** The clock of one process, as somebody sets it: not that by which durations are measured. */
export interface FakeTime {
  /** For the process. */
  env: Record<string, string>;
  /** `+1d`, `-10y`, `@1970-01-01 00:00:00`; `+0` is right. */
  set(offset: string): void;
}

export function fakeTime(home: string, offset = '+0'): FakeTime {
  const file = join(home, 'faketime');
  const set = (to: string) => writeFileSync(file, `${to}\n`);
  set(offset);
  return {
    env: {
      LD_PRELOAD: LIBRARY ?? '',
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
    set,
  };
}
