import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DiskLayout, executorRunDir } from '../../../protocol/disk-layout.ts';

/** Where the executor keeps what. All of it is root's, in folders that nobody else may enter. */
export interface ExecutorPlaces {
  /** Replay state and the audit chain. */
  database: string;
  /** A file for each command whose unit began, made by the unit: the boot id. */
  started: string;
  /** A file for each command whose unit ended, written by systemd's last act for it. */
  ended: string;
  output: string;
  /** Written by each executor; what units run last. */
  endScript: string;
  /** Scripts, input and pipes; gone at a reboot. */
  run: string;
}

/** What a unit's last act is: systemd says by the environment how it ended. */
const END_SCRIPT = 'echo "$SERVICE_RESULT|$EXIT_CODE|$EXIT_STATUS" >"$1"\n';

export function executorPlaces(layout: DiskLayout): ExecutorPlaces {
  const state = layout.execState;
  return {
    database: join(state, 'executor.db'),
    started: join(state, 'started'),
    ended: join(state, 'ended'),
    output: join(state, 'output'),
    endScript: join(state, 'end.sh'),
    run: executorRunDir(layout),
  };
}

/** A disk that takes nothing must not keep the executor from saying so. */
function isThere(endScript: string): boolean {
  try {
    return readFileSync(endScript, 'utf8') === END_SCRIPT;
  } catch {
    return false;
  }
}

export function makePlaces(places: ExecutorPlaces): void {
  for (const folder of [places.started, places.ended, places.output, places.run])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (isThere(places.endScript)) return;
  // In one step: a unit may end at this very moment.
  const made = `${places.endScript}.${process.pid}`;
  writeFileSync(made, END_SCRIPT, { mode: 0o600 });
  renameSync(made, places.endScript);
}
