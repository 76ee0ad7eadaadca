// Outlives the process that boots machines and removes what it leaves behind, even after SIGKILL. It runs in a session
// of its own, so Ctrl-C does not reach it, and learns of its parent's end when the pipe on its stdin closes.
import { spawn } from 'node:child_process';
import { currentOwner, type Owner } from './owner.ts';
import { removeMachinesOf } from './remains.ts';

let started = false;

/** Starts the reaper of this process, once. */
export function startReaper(): void {
  if (started) return;
  started = true;
  const child = spawn(process.execPath, [import.meta.filename, JSON.stringify(currentOwner())], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  child.unref();
  if (child.stdin !== null && 'unref' in child.stdin && typeof child.stdin.unref === 'function')
    child.stdin.unref();
}

async function main(owner: Owner): Promise<void> {
  for await (const _ of process.stdin) {
    // The parent writes nothing; the loop ends with the parent.
  }
  await removeMachinesOf(owner);
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? '{}'));
