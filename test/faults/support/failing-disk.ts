import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { preloadable } from './preload.ts';

/** A disk that gives errors to one process, for the files below `folder`; its library and switch are made in `home`. */
export interface FailingDisk {
  /** For the process. */
  env: Record<string, string>;
  fail(how: 'EIO' | 'EIO all' | 'ENOSPC' | 'EROFS'): void;
  heal(): void;
}

export function failingDisk(home: string, folder: string): FailingDisk {
  const control = join(home, 'failing-disk.on');
  const library = preloadable(home, 'failing-disk');
  return {
    env: { LD_PRELOAD: library, FAILING_DISK_CONTROL: control, FAILING_DISK_FOLDER: folder },
    fail: (how) => writeFileSync(control, how),
    heal: () => rmSync(control, { force: true }),
  };
}
