import { Worker } from 'node:worker_threads';

/** Names of files in a folder that others than their owner could read at any instant that was seen. */
export interface ModeWatch {
  looks(): Promise<number>;
  /** Ends it; resolves with what was seen, as `name mode`. */
  stop(): Promise<string[]>;
}

// Looks without a pause: inotify would tell of a file only after its mode may have been corrected.
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
const { lstatSync, readdirSync } = require('node:fs');
const seen = new Set();
let looks = 0, running = true;
parentPort.on('message', (what) => {
  if (what === 'stop') { running = false; parentPort.postMessage([...seen]); }
  else parentPort.postMessage(looks);
});
const pattern = new RegExp(workerData.pattern);
function look() {
  const until = performance.now() + 20;
  do {
    looks++;
    for (const name of readdirSync(workerData.folder)) {
      if (!pattern.test(name)) continue;
      const stat = lstatSync(workerData.folder + '/' + name, { throwIfNoEntry: false });
      if (stat && (stat.mode & 0o077) !== 0) seen.add(name + ' ' + (stat.mode & 0o777).toString(8));
    }
  } while (performance.now() < until);
  if (running) setImmediate(look);
}
look();
`;

/** Watches the modes of all files in `folder` whose name matches. */
export function watchModes(folder: string, pattern: RegExp): ModeWatch {
  const worker = new Worker(SOURCE, { eval: true, workerData: { folder, pattern: pattern.source } });
  const ask = <T>(what: string): Promise<T> =>
    new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.postMessage(what);
    });
  return {
    looks: () => ask<number>('looks'),
    async stop() {
      const seen = await ask<string[]>('stop');
      await worker.terminate();
      return seen;
    },
  };
}
