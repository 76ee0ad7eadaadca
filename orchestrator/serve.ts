import { once } from 'node:events';
import type { Shutdown } from '../base/shutdown.ts';
import type { ServeConfig } from './config.ts';
import type { Environment } from './data.ts';
import { holdDataFolder, makeDataFolder } from './data-folder.ts';
import { startOrchestrator } from './orchestrator.ts';

/** Running requests may take this long after the first signal (ms). */
const GRACE_MS = 10_000;

/** Starts the server, says so in one JSON line, and stops it when it is asked to. Resolves with the exit code. */
export async function serve(options: {
  config: ServeConfig;
  environment: Environment;
  /** From here on signals ask for an orderly stop. Until then they end the process: what is on disk can bear that. */
  takeSignals(): Shutdown;
  announce(line: string): void;
}): Promise<number> {
  const { config, environment, takeSignals, announce } = options;
  const { log, clock } = environment;
  await makeDataFolder(config.dataDir);
  const held = await holdDataFolder(config.dataDir);
  try {
    const orchestrator = await startOrchestrator(config, environment);
    const shutdown = takeSignals();
    try {
      announce(JSON.stringify({ event: 'listening', url: orchestrator.url }));
      log.info({ url: orchestrator.url, version: environment.version }, 'listening');
      if (!shutdown.graceful.aborted) await once(shutdown.graceful, 'abort');
      log.info('stopping');
      const grace = clock.setTimer(GRACE_MS, () => shutdown.request('the end of its grace'), {
        background: true,
      });
      try {
        await orchestrator.close(shutdown.hard);
      } finally {
        grace.cancel();
      }
      log.info('stopped');
      return 0;
    } finally {
      shutdown.dispose();
    }
  } finally {
    held.release();
  }
}
