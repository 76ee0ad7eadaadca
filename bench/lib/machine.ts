import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem } from 'node:os';

/** The first line that a program prints about itself, or undefined when it is not installed. ssh says it on stderr. */
export function versionOf(program: string, ...args: string[]): string | undefined {
  try {
    const text = execFileSync('/bin/sh', ['-c', 'exec "$0" "$@" 2>&1', program, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.split('\n')[0]?.trim();
  } catch {
    return undefined;
  }
}

const load = (): string => (loadavg()[0] ?? 0).toFixed(1);

/** Call it before measuring and call the result after: the load says how quiet the machine was. */
export function describeMachine(versions: Readonly<Record<string, string>>): () => Record<string, string> {
  const before = load();
  return () => ({
    CPU: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    kernel: release(),
    Node: process.versions.node,
    ...versions,
    'load (1 min)': `${before} → ${load()}`,
  });
}
