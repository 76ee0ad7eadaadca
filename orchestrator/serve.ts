import { once } from 'node:events';
import type { Shutdown } from '../base/shutdown.ts';
import type { ServeConfig } from './config.ts';
import type { Environment } from './data.ts';
import { startOrchestrator } from './orchestrator.ts';

/** Running requests may take this long after the first signal (ms). */
const GRACE_MS = 10_000;

/** Starts the server, says so in one JSON line, and stops it when it is asked to. Resolves with the exit code. */
export async function serve(options: {
  config: ServeConfig;
  environment: Environment;
  shutdown: Shutdown;
  announce(line: string): void;
}): Promise<number> {
  const { config, environment, shutdown, announce } = options;
  const { log, clock } = environment;
  try {
    const orchestrator = await startOrchestrator(config, environment);
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
}
