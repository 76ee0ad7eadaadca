import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Orchestrator } from '../../orchestrator/orchestrator.ts';
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts';
import type { TempHome } from '../fakes/temp-home.ts';
import { seriousIssues } from './support/axe.ts';
import { openPage, signIn, type WatchedPage } from './support/browser.ts';
import { enrollHome } from './support/enroll.ts';
import { chartIsDrawn, fillMetrics } from './support/load-charts.ts';
import { PASSWORD, type PageRig, startPageRig } from './support/page-rig.ts';

/** The page of one machine: the real orchestrator, a real agent, and files of this test for the machine's. */
/** Where screenshots go, when somebody wants to look. */
const SHOTS = process.env['SCREENSHOTS'];
let rig: PageRig;
let temp: TempHome;
let orchestrator: Orchestrator;
let agent: AgentProcess | undefined;
let browser: Browser;
let watched: WatchedPage;
let page: Page;
let vmId: string;
let agentId: string;
let folder: string;

async function api<T>(path: string, method = 'GET', body?: unknown): Promise<T> {
  return page.evaluate(
    async ([url, verb, text]) => {
      const response = await fetch(url ?? '', {
        method: verb ?? 'GET',
        ...(text === undefined ? {} : { body: text, headers: { 'content-type': 'application/json' } }),
      });
      return (await response.json()) as T;
    },
    [
      `/api/v1/organizations/default/${path}`,
      method,
      body === undefined ? undefined : JSON.stringify(body),
    ] as const,
  );
}

beforeAll(async () => {
  rig = await startPageRig();
  ({ temp, orchestrator, browser } = rig);
  watched = await openPage(browser, orchestrator.url, {
    ignoreHTTPSErrors: true,
    acceptDownloads: true,
    viewport: { width: 1440, height: 900 },
  });
  page = watched.page;
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('navigation').getByRole('link', { name: 'Agents' }).waitFor();
  const { token } = await api<{ token: string }>('provisioning-tokens', 'POST', { labels: { env: 'test' } });
  const home = temp.join('agent');
  vmId = await enrollHome({ home, url: orchestrator.url, token });
  folder = temp.join('files');
  mkdirSync(folder);
  writeFileSync(`${folder}/app.conf`, 'port = 80\nname = old\nlast = yes\n');
  writeFileSync(`${folder}/tool.bin`, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3]));
  writeFileSync(`${folder}/app.log`, 'first line\n');
  agent = startAgent({ home });
  await agent.logged((line) => String(line['msg']).includes('connected'));
  agentId = (await api<{ agent_id: string }>(`agents/${vmId}`)).agent_id;
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await rig?.[Symbol.asyncDispose]();
});

const open = (tab: string) => page.goto(`${orchestrator.url}/#/agents/${agentId}/${tab}`);
const button = (name: string | RegExp) => page.getByRole('button', { name });

/** The page in each width and both colours, for who wants to look, and what axe says of it. */
async function look(name: string): Promise<void> {
  expect(await seriousIssues(page)).toEqual([]);
  if (SHOTS === undefined) return;
  for (const width of [1440, 390])
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${SHOTS}/${name}-${width}-${colorScheme}.png`, fullPage: true });
    }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
}

describe('one machine', () => {
  it('shows what it is, and takes labels', async () => {
    await open('overview');
    await page.getByRole('heading', { name: vmId }).waitFor();
    await page.getByLabel('Set labels').fill('role=web');
    await button('Set').click();
    await page.getByRole('list', { name: 'Granted labels' }).getByText('role=web').waitFor();
    await button('Remove label env').click();
    await page.getByText('env=test').waitFor({ state: 'detached' });
    await look('overview');
  });

  it('draws its load', async () => {
    fillMetrics(rig.dataDir, vmId);
    await open('metrics');
    const cpu = page.getByRole('region', { name: 'CPU' });
    await cpu.locator('canvas').waitFor();
    await chartIsDrawn(page);
    expect(await cpu.getByText(/% mean, .* at most/).textContent()).toMatch(/^\d/);
    await cpu.locator('.u-over').hover();
    await cpu.getByText(/^Busy: \d+/).waitFor();
    await look('metrics');
    await page.getByLabel('Show as tables').check();
    await page.getByRole('table', { name: 'CPU over time' }).waitFor();
    await page.getByRole('link', { name: '24 hours' }).click();
    await page.getByRole('link', { name: '24 hours' }).and(page.locator('[aria-current]')).waitFor();
  });

  it('lists processes, sorted and filtered', async () => {
    await open('processes');
    const table = page.getByRole('table', { name: 'Processes' });
    await table.waitFor();
    await page.getByLabel('Filter processes').fill(`run-agent ${agent?.pid}`);
    await table
      .getByRole('row')
      .filter({ hasText: String(agent?.pid) })
      .first()
      .waitFor();
    await table.getByRole('button', { name: 'Memory' }).click();
    await page.locator('th[aria-sort="descending"]').filter({ hasText: 'Memory' }).waitFor();
    await look('processes');
  });

  it('[page-3] browses, shows and edits a file, and writes nothing that was not looked at', async () => {
    await open('files');
    await page.getByLabel('Go to a path').fill(folder);
    await button('Go').click();
    await page.getByRole('link', { name: 'app.conf', exact: true }).waitFor();
    await look('files');
    await page.getByRole('link', { name: 'tool.bin', exact: true }).click();
    await page.getByText('00000000  7f 45 4c 46 00 01 02 03').waitFor();
    await page.getByRole('link', { name: 'Back to the folder' }).click();
    await page.getByRole('link', { name: 'app.conf', exact: true }).click();
    await page.getByText('name = old').waitFor();
    await button('Edit').click();
    const editor = page.getByLabel(/^Content of/);
    await editor.fill('port = 80\nname = new\nlast = yes\n');
    await button('Review changes').click();
    const diff = page.getByRole('region', { name: 'What the change does' });
    expect(await diff.locator('.removed').textContent()).toContain('name = old');
    expect(await diff.locator('.added').textContent()).toContain('name = new');
    await look('diff');
    writeFileSync(`${folder}/app.conf`, 'port = 81\nname = old\nlast = yes\n');
    await button('Save').click();
    await page
      .getByRole('alert')
      .getByText(/has changed/)
      .waitFor();
    expect(readFileSync(`${folder}/app.conf`, 'utf8')).toContain('port = 81');
    await button('Compare with what is there now').click();
    await diff.getByText('port = 81').waitFor();
    await button('Save').click();
    await page.getByRole('region', { name: 'Content of the file' }).getByText('name = new').waitFor();
    expect(readFileSync(`${folder}/app.conf`, 'utf8')).toBe('port = 80\nname = new\nlast = yes\n');
  });

  it('uploads, goes on after the tab was closed, and downloads', async () => {
    await page.getByRole('link', { name: 'Back to the folder' }).click();
    const bytes = randomBytes(9_000_001);
    const local = temp.join('upload.bin');
    writeFileSync(local, bytes);
    // The second part finds nobody: the tab is closed while the upload waits.
    let parts = 0;
    await page.route(/\/files\/uploads\/[0-9a-f]+\?/, (route) =>
      ++parts === 1 ? route.continue() : route.abort('connectionreset'),
    );
    await page.getByLabel('Files to upload').setInputFiles(local);
    await page.getByText('Waiting for the connection').waitFor();
    await page.unroute(/\/files\/uploads\/[0-9a-f]+\?/);
    await page.reload();
    await page.getByText('Choose the same file again').waitFor();
    expect(existsSync(`${folder}/upload.bin`)).toBe(false);
    const chooser = page.waitForEvent('filechooser');
    await button('Choose the file').click();
    await (await chooser).setFiles(local);
    await page.getByText('Done', { exact: true }).waitFor();
    expect(readFileSync(`${folder}/upload.bin`).equals(bytes)).toBe(true);
    await look('uploads');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download upload.bin' }).click(),
    ]);
    expect(readFileSync(await download.path()).equals(bytes)).toBe(true);
  });

  it('makes a folder, renames and deletes', async () => {
    await button('New folder').click();
    await page.getByLabel('Name of the new folder').fill('kept/not');
    await button('Make folder').click();
    await page.getByText('A name holds no “/”.').waitFor();
    await page.getByLabel('Name of the new folder').fill('kept');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'kept/' }).waitFor();
    await button('Rename tool.bin').click();
    await page.getByLabel('New name of tool.bin').fill('other.bin');
    await page.keyboard.press('Enter');
    await button('Delete other.bin').click();
    await button('Yes, delete').click();
    await page.getByRole('link', { name: 'other.bin', exact: true }).waitFor({ state: 'detached' });
    expect([existsSync(`${folder}/kept`), existsSync(`${folder}/other.bin`)]).toEqual([true, false]);
  });

  it('follows a log as it grows', async () => {
    await open('logs');
    await page.getByText('Choose a log').waitFor();
    await page.getByLabel('File or unit').fill(`${folder}/app.log`);
    await button('Show').click();
    const lines = page.getByRole('log');
    await lines.getByText('first line').waitFor();
    appendFileSync(`${folder}/app.log`, '<b>second</b> \u202eline\nERROR third\n');
    await lines.getByText('<b>second</b> ‹U+202E›line').waitFor();
    await page.getByLabel('Filter lines').fill('error');
    await lines.getByText('first line').waitFor({ state: 'detached' });
    await page.getByLabel('Filter lines').fill('');
    await button('Pause').click();
    await page.getByText('Paused').waitFor();
    appendFileSync(`${folder}/app.log`, 'while paused\n');
    await button('Go on').click();
    await lines.getByText('while paused').waitFor();
    await button(/^Analyze the last/).click();
    await page
      .locator('.log-report')
      .getByText(/(all|the last) 4 lines/)
      .first()
      .waitFor();
    await look('logs');
  });

  it('shows commands, the certificate and events', async () => {
    await open('commands?of=call');
    await page.getByRole('row').filter({ hasText: 'write_file' }).first().waitFor();
    await look('commands');
    await open('certificate');
    await page.getByText(/days left/).waitFor();
    await look('certificate');
    await open('audit');
    await page.getByRole('row').filter({ hasText: 'file.upload' }).waitFor();
    await look('audit');
  });

  it('is quarantined, says so, and comes back when it is admitted', async () => {
    await open('overview');
    await button(/^Quarantine/).click();
    await button('Yes, quarantine').click();
    await page.getByText('quarantined', { exact: true }).first().waitFor();
    await open('files');
    await page.getByText('The machine is quarantined').waitFor();
    await look('quarantined');
    await button(/^Admit/).click();
    await button('Yes, admit').click();
    await page.getByText('quarantined', { exact: true }).first().waitFor({ state: 'detached' });
  });

  it('gives no complaint of the browser or its policy', () => {
    expect(watched.complaints).toEqual([]);
  });
});
