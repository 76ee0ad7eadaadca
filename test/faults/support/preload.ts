import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

export const hasCompiler = (() => {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return process.platform === 'linux';
  } catch {
    return false;
  }
})();

/** Makes `NAME.c` beside this file into a library in `home`, for LD_PRELOAD. */
export function preloadable(home: string, name: string): string {
  const library = join(home, `${name}.so`);
  const source = join(import.meta.dirname, `${name}.c`);
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], { stdio: 'pipe' });
  return library;
}
