import { execFileSync } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Orchestrator } from '../../orchestrator/orchestrator.ts';
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts';
import { isAlive } from '../fakes/processes.ts';
import type { TempHome } from '../fakes/temp-home.ts';
import { openPage, signIn, type WatchedPage } from './support/browser.ts';
import { enrollHome } from './support/enroll.ts';
import { buildPageFiles } from './support/page-files.ts';
import { PASSWORD, type PageRig, startPageRig } from './support/page-rig.ts';

/** The page, the real orchestrator and a real agent, from the first sign-in on; each test goes on where the last ended. */
let rig: PageRig;
let temp: TempHome;
let orchestrator: Orchestrator;
let agent: AgentProcess | undefined;
let browser: Browser;
let watched: WatchedPage;
let page: Page;
let vmId: string;

beforeAll(async () => {
  rig = await startPageRig();
  ({ temp, orchestrator, browser } = rig);
  // The orchestrator has its own CA, which people add to their browser or replace by --tls-cert.
  watched = await openPage(browser, `${orchestrator.url}/#/agents`, { ignoreHTTPSErrors: true });
  page = watched.page;
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await rig?.[Symbol.asyncDispose]();
});

const output = () => page.getByRole('log', { name: `Output of ${vmId}` });
const card = () => page.getByRole('article', { name: vmId });
async function run(command: string): Promise<void> {
  await page.getByRole('navigation').getByRole('link', { name: 'Agents' }).click();
  await page.getByRole('textbox', { name: 'Command' }).fill(command);
  await page.getByRole('button', { name: 'Run' }).click();
}

describe('from an empty orchestrator to a command on a machine', () => {
  it('refuses a wrong password and takes the right one', async () => {
    await signIn(page, 'admin', 'wrong');
    await page.getByRole('alert').waitFor();
    await signIn(page, 'admin', PASSWORD);
    await page.getByText('No machines yet').waitFor();
  });

  it('makes a token whose machine appears on the page that shows it', async () => {
    await page.getByRole('link', { name: 'Create token' }).click();
    await page.getByRole('textbox', { name: /^Labels/ }).fill('env=test');
    await page.getByRole('button', { name: 'Create token' }).click();
    const line = await page.getByLabel('One-line installer', { exact: true }).textContent();
    await page.getByText('The token alone').click();
    const token = (await page.getByLabel('Provisioning token').textContent()) ?? '';
    expect(line).toContain(token);
    await page.getByText('Waiting for the machine').waitFor();

    const home = temp.join('agent');
    vmId = await enrollHome({ home, url: orchestrator.url, token });
    agent = startAgent({ home });
    await page.getByRole('listitem').filter({ hasText: vmId }).filter({ hasText: 'online' }).waitFor();
    await page.getByRole('link', { name: 'To the agents' }).click();
    await page
      .getByRole('row', { name: new RegExp(`${vmId}.*online.*ago|${vmId}.*online.*just now`) })
      .waitFor();
    await page.getByRole('row').filter({ hasText: 'env=test' }).waitFor();
  });

  it('shows the first line before the second is printed', async () => {
    const gate = temp.join('gate');
    execFileSync('mkfifo', [gate]);
    await run(`echo first; echo apart >&2; read -r _ < '${gate}'; echo second; exit 3`);
    await output().getByText('first').waitFor();
    expect(await output().textContent()).not.toContain('second');
    await appendFile(gate, 'go\n');
    await output().getByText('second').waitFor();
    await card().getByText('exit code 3').waitFor();
    expect(await output().getByRole('group', { name: 'stderr' }).textContent()).toBe('apart\n');
  });

  it('cancels a command so that no process of it is left', async () => {
    await run('echo "pid $$"; exec sleep 1000');
    await output().getByText('pid').waitFor();
    const pid = /pid (\d+)/.exec((await output().textContent()) ?? '')?.[1] ?? '';
    expect(isAlive(pid)).toBe(true);
    await page.getByRole('button', { name: 'Cancel 1 command' }).click();
    await page.getByRole('button', { name: 'Yes, cancel' }).click();
    await card().getByText('cancelled', { exact: true }).waitFor();
    expect(isAlive(pid)).toBe(false);
  });

  it('[page-1] shows what a hostile program prints as text, and tells it again from the link', async () => {
    await run(`printf '<img src=x onerror=alert(1)>\\033[31mred\\033[0m\\342\\200\\256!\\n'`);
    const expected = '<img src=x onerror=alert(1)>red‹U+202E›!\n';
    await card().getByText('succeeded').waitFor();
    expect(await output().textContent()).toBe(expected);
    await page.reload();
    await output().getByText('red').waitFor();
    expect(await output().textContent()).toBe(expected);
    expect(await page.locator('img, script:not([src])').count()).toBe(0);
  });

  it('gives no complaint of the browser or its policy', () => {
    expect(watched.complaints).toEqual([]);
  });

  it('weighs less than 95 KB as it is sent', async () => {
    const script = (await buildPageFiles()).get('/app.js');
    expect(gzipSync(script?.body ?? '').length).toBeLessThan(95_000);
  });
});
