import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FakeAgent } from '../fakes/fake-agent.ts';
import { enrollAgent } from '../integration/support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from '../integration/support/orchestrator.ts';
import { launchBrowser, openPage, signIn, type WatchedPage } from './support/browser.ts';

/** Where pictures go, for who wants to look at them. */
const SCREENS = process.env['SCREENS'];
const MACHINES = 24;

let browser: Browser;
let orchestrator: OrchestratorProcess;
let watched: WatchedPage;
let page: Page;
const fakes: FakeAgent[] = [];
const vmIds: string[] = [];
/** Exit codes of the command `deploy`, by vm_id. */
const broken = new Set<string>();

beforeAll(async () => {
  [browser, orchestrator] = await Promise.all([launchBrowser(), startOrchestrator()]);
  for (let i = 0; i < MACHINES; i++) {
    const one = await enrollAgent(orchestrator);
    vmIds.push(one.vmId);
    if (i === MACHINES - 1) continue;
    const fake = one.fake(orchestrator, {
      autoRun: () => {
        const exitCode = broken.has(one.vmId) ? 3 : 0;
        const text = exitCode === 0 ? 'version 2\nready\n' : 'version 2\n<b>not</b> ready\n';
        return { stdout: Buffer.from(text), exitCode };
      },
    });
    await fake.connect();
    fakes.push(fake);
  }
  const { admin_user, admin_password } = orchestrator.credentials;
  watched = await openPage(browser, orchestrator.url, { ignoreHTTPSErrors: true });
  page = watched.page;
  await signIn(page, admin_user, admin_password);
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
}, 60_000);
afterAll(async () => {
  await watched.context.close();
  await browser.close();
  for (const fake of fakes) await fake.drop();
  await orchestrator.stop();
  expect(watched.complaints).toEqual([]);
});

const field = (name: string) => page.getByRole('textbox', { name: new RegExp(`^${name}`) });
const button = (name: string | RegExp) => page.getByRole('button', { name });

/** In light and dark, on a desk and on a phone; nothing may stick out at the side. */
async function look(name: string): Promise<void> {
  for (const width of [1440, 390]) {
    await page.setViewportSize({ width, height: 900 });
    const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
    expect([name, width, wide]).toEqual([name, width, width]);
    if (SCREENS === undefined) continue;
    await mkdir(SCREENS, { recursive: true });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(SCREENS, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 900 });
}

describe('a rollout on the page', () => {
  it('shows who is hit before it begins, stops at its threshold, and is tried again', {
    timeout: 60_000,
  }, async () => {
    for (const vmId of vmIds.slice(0, 12)) broken.add(vmId);
    broken.delete(vmIds[0] ?? '');
    await page.getByRole('link', { name: 'Jobs' }).first().click();
    await page.getByRole('link', { name: 'New job' }).click();
    await page.getByRole('heading', { name: 'New job' }).waitFor();
    await page.getByText(`${MACHINES} machines: ${MACHINES - 1} online, 1 offline`).waitFor();
    await page.getByText('wave 1: 1 · wave 2: 2 · wave 3: 21').waitFor();
    await field('Waves').fill('1, 10%');
    await button(/^Run on/).click();
    await page.getByRole('alert').getByText('Write a command.').waitFor();
    await field('Command').fill('deploy');
    await page.getByRole('alert').getByText('the last one 100%').waitFor();
    await field('Waves').fill('1, 25%, 100%');
    await field('Failures allowed').fill('2');
    await field('At the same time').fill('2');
    await page.getByText('at most 2 at the same time; stops when more than 2 fail').waitFor();
    await look('new-job');
    await button(`Run on ${MACHINES} machines`).click();

    await page.getByRole('heading', { name: 'Job', exact: true }).waitFor();
    const waves = page.getByRole('region', { name: 'Waves' });
    await waves
      .getByText(/\d machines failed, only 2 may/)
      .or(waves.getByText('without a success'))
      .waitFor();
    await waves.getByText('stopped here').waitFor();
    const list = page.getByRole('list', { name: 'Machines of the job' });
    await list.getByText('never begun:').first().waitFor();
    await button('Compare outputs').click();
    await page.getByText(/^\d+ identical, \d+ differs?, \d+ skipped$/).waitFor();
    await page.locator('summary').nth(1).click();
    await page.locator('.diff').getByText('-<b>not</b> ready').waitFor();
    await list
      .getByRole('button', { name: /^Output of/ })
      .first()
      .click();
    await page.getByRole('log').getByText('version 2').waitFor();
    await look('stopped');

    broken.clear();
    await button(/Run it again on \d+ machines$/)
      .last()
      .click();
    await button(/^Yes, retry all/).click();
    await page.getByText('retry of an earlier job').waitFor();
    await waves.getByText('running', { exact: true }).first().waitFor();
    // The machine that is offline keeps the rollout open; it can be paused, resumed and cancelled by the keyboard.
    await button('Pause').focus();
    await page.keyboard.press('Enter');
    await page.getByText('Nothing new is given to machines').waitFor();
    await look('paused');
    await button('Resume').focus();
    await page.keyboard.press('Enter');
    await button(/^Cancel \d+ command/).focus();
    await page.keyboard.press('Enter');
    await button(/^Yes, cancel/).focus();
    await page.keyboard.press('Enter');
    await waves.getByText('cancelled', { exact: true }).first().waitFor();

    await page.getByRole('link', { name: 'Jobs' }).first().click();
    await page.getByRole('table').getByText('cancelled, wave').waitFor();
    await look('jobs');
    await page.getByLabel('State').selectOption('failed');
    await page.getByRole('table').getByText('stopped, wave').waitFor();
    await page.getByLabel('Text').fill('nothing has this');
    await page.getByText('No job is so.').waitFor();
  });

  it('sends a script', async () => {
    await page.goto(`${orchestrator.url}/#/jobs/new`);
    await page.getByText('Script', { exact: true }).click();
    await field('Script').fill('echo hello');
    await page.getByRole('combobox', { name: 'Interpreter' }).fill('/bin/bash');
    await field('Where').fill(`id=${vmIds[0]}`);
    await page.getByText('In waves').click();
    await button('Run on 1 machine').click();
    await page.getByText('script by').waitFor();
    await page.getByText('echo hello').waitFor();
    const sent = fakes[0]?.commands.at(-1)?.arguments;
    expect(sent).toMatchObject({ stdin: 'echo hello' });
    await look('script');
  });
});
