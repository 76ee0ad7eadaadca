import type { Browser } from 'playwright-core';
import { systemClock } from '../../../base/clock.ts';
import { createLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { loadServeConfig } from '../../../orchestrator/config.ts';
import { type Orchestrator, startOrchestrator } from '../../../orchestrator/orchestrator.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';
import { launchBrowser } from './browser.ts';
import { buildPage } from './page-files.ts';

/** Of the user `admin`. */
export const PASSWORD = 'correct horse battery';

/** The orchestrator in this process, with the page as its sources are now, and a browser. */
export interface PageRig extends AsyncDisposable {
  temp: TempHome;
  dataDir: string;
  orchestrator: Orchestrator;
  browser: Browser;
}

export async function startPageRig(
  options: {
    /** Of the first admin. */
    apiToken?: string;
    /** More flags of the browser. */
    browserFlags?: readonly string[];
  } = {},
): Promise<PageRig> {
  await using started = new AsyncDisposableStack();
  const temp = started.use(await createTempHome());
  const dist = temp.join('dist');
  const dataDir = temp.join('data');
  const build = buildPage(dist);
  const flags = { data: dataDir, listen: '127.0.0.1:0', store: 'sqlite', bus: 'memory' };
  const config = await loadServeConfig(flags, {
    VM_ORCHESTRATOR_ADMIN_PASSWORD: PASSWORD,
    ...(options.apiToken === undefined ? {} : { VM_ORCHESTRATOR_API_TOKEN: options.apiToken }),
  });
  const { log } = createLogger({ name: 'vm-orchestrator', level: 'silent' });
  const environment = { clock: systemClock, random: systemRandom, log, version: '0.0.0', dist };
  const orchestrator = await startOrchestrator(config, environment);
  started.defer(() => orchestrator.close(AbortSignal.timeout(5000)));
  const [browser] = await Promise.all([launchBrowser(options.browserFlags), build]);
  started.defer(() => browser.close());
  const rig = started.move();
  return { temp, dataDir, orchestrator, browser, [Symbol.asyncDispose]: () => rig.disposeAsync() };
}
