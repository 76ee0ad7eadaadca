import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const hasCompiler = (() => {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    return false;
  }
})();

/** A disk that gives errors to one process, for the files below `folder`; its library and switch are made in `home`. */
export interface FailingDisk {
  /** For the process. */
  env: Record<string, string>;
  fail(how: 'EIO' | 'EIO all' | 'ENOSPC' | 'EROFS'): void;
  heal(): void;
}

export function failingDisk(home: string, folder: string): FailingDisk {
  const library = join(home, 'failing-disk.so');
  const control = join(home, 'failing-disk.on');
  const source = join(import.meta.dirname, 'failing-disk.c');
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], { stdio: 'pipe' });
  return {
    env: { LD_PRELOAD: library, FAILING_DISK_CONTROL: control, FAILING_DISK_FOLDER: folder },
    fail: (how) => writeFileSync(control, how),
    heal: () => rmSync(control, { force: true }),
  };
}
