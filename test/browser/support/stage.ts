import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { type AgentProcess, startAgent } from '../../fakes/agent-process.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';
import { createToken } from '../../integration/support/enroll.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../integration/support/orchestrator.ts';
import { launchBrowser, openPage, signIn, type WatchedPage } from './browser.ts';
import { enrollHome } from './enroll.ts';

export interface StagedAgent {
  vmId: string;
  home: string;
  process: AgentProcess;
}

/** The built orchestrator in a process of its own, real agents that are connected to it, and a browser. */
export interface Stage extends AsyncDisposable {
  orchestrator: OrchestratorProcess;
  browser: Browser;
  temp: TempHome;
  agents: StagedAgent[];
  /** Enrolls a machine and starts its agent; resolves when it is connected. */
  addAgent(hostname: string, labels?: Record<string, string>): Promise<StagedAgent>;
  /** A browser of somebody's own, not signed in. */
  open(): Promise<WatchedPage>;
}

export async function createStage(): Promise<Stage> {
  const temp = await createTempHome();
  const [orchestrator, browser] = await Promise.all([startOrchestrator(), launchBrowser()]);
  const agents: StagedAgent[] = [];
  return {
    orchestrator,
    browser,
    temp,
    agents,
    async addAgent(hostname, labels = {}) {
      const { token } = await createToken(orchestrator, { labels });
      const home = temp.join(hostname);
      const vmId = await enrollHome({ home, url: orchestrator.url, token, hostname });
      const process = startAgent({ home });
      const staged = { vmId, home, process };
      agents.push(staged);
      await process.logged((line) => line['msg'] === 'connected to the orchestrator');
      return staged;
    },
    open: () => openPage(browser, orchestrator.url, { ignoreHTTPSErrors: true }),
    async [Symbol.asyncDispose]() {
      await browser.close();
      for (const { process } of agents) await process[Symbol.asyncDispose]();
      await orchestrator.stop();
      await temp.remove();
    },
  };
}

export async function signInAsAdmin(stage: Stage, page: Page): Promise<void> {
  const { admin_user, admin_password } = stage.orchestrator.credentials;
  await signIn(page, admin_user, admin_password);
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
}

/** With `SCREENSHOTS=DIR` pictures are kept there, to be looked at. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS'];
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}
