import { DatabaseSync } from 'node:sqlite';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Orchestrator } from '../../orchestrator/orchestrator.ts';
import type { TempHome } from '../fakes/temp-home.ts';
import { openPage, signIn, type WatchedPage } from './support/browser.ts';
import { PASSWORD, type PageRig, startPageRig } from './support/page-rig.ts';

/** The audit page and the real orchestrator behind it. */
let rig: PageRig;
let temp: TempHome;
let orchestrator: Orchestrator;
let browser: Browser;
let watched: WatchedPage;
let page: Page;

beforeAll(async () => {
  rig = await startPageRig();
  ({ temp, orchestrator, browser } = rig);
  watched = await openPage(browser, orchestrator.url, { ignoreHTTPSErrors: true });
  page = watched.page;
  await signIn(page, 'admin', PASSWORD);
  await page.getByText('No machines yet').waitFor();
});
afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

const row = (name: RegExp) => page.getByRole('row', { name });
const tab = (name: string) => page.getByRole('navigation').getByRole('link', { name }).click();
const button = (name: string) => page.getByRole('button', { name });

async function createToken(description: string): Promise<void> {
  await page.evaluate(async (text) => {
    const organizations = (await (await fetch('/api/v1/organizations')).json()) as {
      items: { id: string }[];
    };
    await fetch(`/api/v1/organizations/${organizations.items[0]?.id}/provisioning-tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ description: text }),
    });
  }, description);
}

describe('the audit page', () => {
  it('shows events as they come, with their details by the keyboard alone', async () => {
    await tab('Audit');
    await row(/organization\.create/).waitFor();
    await createToken('rack 3');
    await row(/token\.create.*admin/).waitFor();
    const summary = page.getByText(/^№ \d+$/).first();
    await summary.focus();
    await page.keyboard.press('Enter');
    await page.getByText('"uses": 1').waitFor();
  });

  it('filters, and clears the filter', async () => {
    await page.getByLabel('Action', { exact: true }).fill('organization');
    await row(/token\.create/).waitFor({ state: 'hidden' });
    await row(/organization\.create/).waitFor();
    await page.getByLabel('Action', { exact: true }).fill('nothing.like.it');
    await page.getByText('No such events').waitFor();
    await button('Clear').click();
    await row(/token\.create/).waitFor();
  });

  it('shows the log of the whole orchestrator to who rules it', async () => {
    await page.getByLabel('Log', { exact: true }).selectOption('Whole orchestrator');
    await row(/session\.login.*admin/).waitFor();
    await page.getByLabel('Log', { exact: true }).selectOption('This organization');
    await row(/token\.create/).waitFor();
  });

  it('verifies the log, and names the first bad event when somebody changed it', async () => {
    await button('Verify the log').click();
    await page.getByText('The log is good.').waitFor();
    const database = new DatabaseSync(temp.join('data', 'orchestrator.db'));
    database.exec("UPDATE audit_events SET actor_id = 'usr-x' WHERE action = 'token.create'");
    const { seq } =
      database.prepare("SELECT seq FROM audit_events WHERE action = 'token.create'").get() ?? {};
    database.close();
    await button('Verify the log').click();
    const alert = page.getByRole('alert').filter({ hasText: 'The log is not what was sealed.' });
    await alert.waitFor();
    expect(await alert.textContent()).toContain(`First bad: event ${seq}: changed`);
  });

  it('gives the export', async () => {
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: 'Export' }).click();
    expect((await download).suggestedFilename()).toMatch(/^audit-org-.*\.jsonl$/);
  });

  it('fits a telephone', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const wide = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
    expect(wide).toBe(false);
    if (process.env['SCREENSHOTS']) {
      const folder = process.env['SCREENSHOTS'];
      await page.screenshot({ path: `${folder}/audit-390.png`, fullPage: true });
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.screenshot({ path: `${folder}/audit-1440-dark.png` });
    }
    expect(watched.complaints).toEqual([]);
  });
});
