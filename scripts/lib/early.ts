import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './root.ts';
import type { Suite } from './suites.ts';

/**
 * Starts the preflights of suites that come later and take long to make ready, as low as the system's priorities go.
 * What one of them says is said again when its suite comes: that waits for this one's work. The answer stops them.
 */
export function startEarly(suites: readonly Suite[]): () => void {
  const children: ChildProcess[] = [];
  for (const { name, preflight } of suites.slice(1).filter(({ startsEarly }) => startsEarly)) {
    if (preflight === undefined) continue;
    console.log(`… ${name}: made ready in the background`);
    const child = spawn('nice', ['-n', '19', process.execPath, join(ROOT, preflight)], { stdio: 'ignore' });
    // Without `nice` the suite's own preflight does the work.
    child.on('error', () => undefined);
    children.push(child);
  }
  return () => {
    for (const child of children) child.kill();
  };
}
