import { mkdirSync } from 'node:fs';
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
  /** Scripts, input and pipes; gone at a reboot. */
  run: string;
}

export function executorPlaces(layout: DiskLayout): ExecutorPlaces {
  const state = layout.execState;
  return {
    database: join(state, 'executor.db'),
    started: join(state, 'started'),
    ended: join(state, 'ended'),
    output: join(state, 'output'),
    run: executorRunDir(layout),
  };
}

export function makePlaces(places: ExecutorPlaces): void {
  for (const folder of [places.started, places.ended, places.output, places.run])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
}
