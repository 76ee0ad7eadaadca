import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Orchestrator } from '../../orchestrator/orchestrator.ts';
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts';
import type { TempHome } from '../fakes/temp-home.ts';
import { openPage, signIn, type WatchedPage } from './support/browser.ts';
import { enrollHome } from './support/enroll.ts';
import { PASSWORD, type PageRig, startPageRig } from './support/page-rig.ts';

/** A terminal in a real browser, on a real agent, through the real orchestrator. */
let rig: PageRig;
let temp: TempHome;
let orchestrator: Orchestrator;
let agent: AgentProcess;
let browser: Browser;
let watched: WatchedPage;
let page: Page;
let vmId: string;

beforeAll(async () => {
  rig = await startPageRig();
  ({ temp, orchestrator, browser } = rig);
  watched = await openPage(browser, orchestrator.url, { ignoreHTTPSErrors: true });
  page = watched.page;
  await signIn(page, 'admin', PASSWORD);
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
  const token = await page.evaluate<string>(`fetch('/api/v1/session').then((r) => r.json()).then((who) =>
    fetch('/api/v1/organizations/' + who.organizations[0].id + '/provisioning-tokens', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}',
    })).then((r) => r.json()).then((t) => t.token)`);
  const home = temp.join('agent');
  vmId = await enrollHome({ home, url: orchestrator.url, token });
  agent = startAgent({ home });
  await agent.logged((line) => line['msg'] === 'connected to the orchestrator');
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await rig?.[Symbol.asyncDispose]();
});

const screen = () => page.getByRole('group', { name: /^(Terminal on|Recording of) / });
const shows = (text: string) => screen().locator('.xterm-rows').getByText(text).first().waitFor();
const go = (hash: string) => page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
const status = (text: string | RegExp) => page.getByRole('status').filter({ hasText: text }).waitFor();
const folder = process.env['SCREENSHOTS'];
const picture = async (name: string) => {
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` });
};

describe('a terminal on the dashboard', () => {
  it('is typed into and shows what comes, with the page’s own policy and no complaint', async () => {
    await go(`#/agents/${vmId}/terminal`);
    await status('Connected');
    await page.getByText('is recorded').waitFor();
    await page.keyboard.type('echo first-$((40+2))\n');
    await shows('first-42');
    expect(await page.getByRole('textbox', { name: `Terminal on ${vmId}` }).count()).toBe(1);
    await picture('terminal-1440');
    expect(watched.complaints).toEqual([]);
  });

  it('shows colours, which the page’s policy would not let it set as attributes', async () => {
    await page.keyboard.type("printf '\\033[38;2;255;0;10mcol''oured\\033[0m\\n'\n");
    const coloured = screen().locator('.xterm-rows span').getByText('coloured', { exact: true }).last();
    await coloured.waitFor();
    expect(await coloured.getAttribute('style')).toContain('rgb(255, 0, 10)');
    expect(watched.complaints).toEqual([]);
  });

  it('[terminal-8] does nothing that the machine asks for: no title, no clipboard, no link', async () => {
    await watched.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.evaluate("navigator.clipboard.writeText('mine')");
    const title = await page.title();
    await page.keyboard.type("printf '\\033]0;HACKED\\007\\033]2;HACKED\\007\\033]52;c;SEFDS0VE\\007'\n");
    await page.keyboard.type(
      "printf '\\033]8;;https://evil.example\\033\\\\cli''ck\\033]8;;\\033\\\\\\n'; echo d''one\n",
    );
    await shows('done');
    expect(await page.title()).toBe(title);
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe('mine');
    expect(await page.locator('a[href*="evil"]').count()).toBe(0);
    const place = await screen().locator('.xterm-rows').getByText('click').last().boundingBox();
    await page.mouse.click((place?.x ?? 0) + 10, (place?.y ?? 0) + 8);
    expect(watched.context.pages()).toHaveLength(1);
    expect(watched.complaints).toEqual([]);
  });

  it('follows the size of the window', async () => {
    await page.setViewportSize({ width: 700, height: 900 });
    await page.keyboard.type('clear; echo "cols=$(tput cols 2>/dev/null || stty size)"\n');
    await screen().locator('.xterm-rows').getByText(/cols=/).first().waitFor();
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  it('brackets what is pasted, so that a program can tell it from typing', async () => {
    await page.keyboard.type(
      "printf '\\033[?2004h'; head -c 18 | od -c | head -n 2; printf '\\033[?2004l'\n",
    );
    await page.evaluate("navigator.clipboard.writeText('pasted')");
    await page.keyboard.press('Control+Shift+V');
    await page.keyboard.type('\n');
    await shows('2   0   0   ~');
  });

  it('is found again after a reload of the page', async () => {
    await page.keyboard.type('clear; MARK=kept; echo go\n');
    await shows('go');
    await page.reload();
    await status('Connected');
    await page.keyboard.type('echo "mark $MARK"\n');
    await shows('mark kept');
  });

  it('can be left by the keyboard, and ended', async () => {
    await page.keyboard.press('Shift+Escape');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('End terminal');
    await page.keyboard.press('Enter');
    await status('The terminal was closed.');
    await page.getByRole('button', { name: 'Open a new terminal' }).click();
    await status('Connected');
    await page.keyboard.type('exit 3\n');
    await status('exit code 3');
  });

  it('has the keys that a phone lacks', async () => {
    const phone = await browser.newContext({
      viewport: { width: 390, height: 844 },
      hasTouch: true,
      isMobile: true,
      ignoreHTTPSErrors: true,
      storageState: await watched.context.storageState(),
    });
    const small = await phone.newPage();
    await small.goto(`${orchestrator.url}/#/agents/${vmId}/terminal`);
    await small.getByRole('status').filter({ hasText: 'Connected' }).waitFor();
    await small.keyboard.type('echo wai""ting; cat\n');
    await small.locator('.xterm-rows').getByText('waiting', { exact: true }).waitFor();
    await small.getByRole('button', { name: 'Ctrl', exact: true }).tap();
    await small.keyboard.type('c');
    await small.keyboard.type('echo fr""ee\n');
    await small.locator('.xterm-rows').getByText('free').first().waitFor();
    if (folder !== undefined) await small.screenshot({ path: `${folder}/terminal-390.png` });
    expect(await small.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    await small.getByRole('button', { name: 'End terminal' }).tap();
    await phone.close();
  });
});

describe('a recording', () => {
  it('is listed, played, sought in and deleted, and acts on nothing either', async () => {
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Audit' }).click();
    await page.getByRole('link', { name: 'Recordings', exact: true }).click();
    await page.getByRole('heading', { name: 'Recordings' }).waitFor();
    const links = page.getByRole('link', { name: vmId });
    await links.last().waitFor();
    await picture('recordings-1440');
    await links.last().click();
    await shows('first-42');
    await shows('coloured');
    const title = await page.title();
    expect(title).toContain('Recording of');
    const position = page.getByRole('slider', { name: 'Position' });
    await position.fill('0');
    await page.getByRole('button', { name: /^(Play|Pause)$/ }).click();
    await position.fill(String(await position.getAttribute('max')));
    await shows('mark kept');
    await picture('replay-1440');
    expect(await page.title()).toBe(title);
    await page.getByLabel('Cut long waits').uncheck();
    await shows('first-42');
    await page.goBack();
    await page
      .getByRole('button', { name: /^Delete the recording/ })
      .last()
      .waitFor();
    const before = await page.getByRole('row').count();
    await page
      .getByRole('button', { name: /^Delete the recording/ })
      .last()
      .click();
    await page.getByRole('button', { name: 'Yes, delete' }).click();
    await expect.poll(() => page.getByRole('row').count()).toBe(before - 1);
    expect(watched.complaints).toEqual([]);
  });
});
