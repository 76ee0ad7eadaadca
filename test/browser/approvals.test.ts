// Approvals, rules and locks in the page, with a real orchestrator, a real agent, and an authenticator in the browser.
import { mkdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Orchestrator } from '../../orchestrator/orchestrator.ts';
import type { JobWithCommands } from '../../protocol/rest-jobs.ts';
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts';
import type { TempHome } from '../fakes/temp-home.ts';
import { createToken } from '../integration/support/enroll.ts';
import { ORG, submitJob } from '../integration/support/fleet.ts';
import { type CallOptions, callOrchestrator } from '../integration/support/orchestrator.ts';
import { addPerson, type Person } from '../integration/support/people.ts';
import { seriousIssues } from './support/axe.ts';
import { openPage, signIn, type WatchedPage } from './support/browser.ts';
import { enrollHome } from './support/enroll.ts';
import { PASSWORD, type PageRig, startPageRig } from './support/page-rig.ts';

const TOKEN = 'vmo_of-the-first-admin';
const SCREENSHOTS = process.env['SCREENSHOTS'];
let rig: PageRig;
let temp: TempHome;
let orchestrator: Orchestrator;
let agent: AgentProcess | undefined;
let browser: Browser;
let watched: WatchedPage;
let page: Page;
let olga: Person;
let call: <T = Record<string, unknown>>(options: CallOptions) => ReturnType<typeof callOrchestrator<T>>;

beforeAll(async () => {
  rig = await startPageRig({ apiToken: TOKEN, browserFlags: ['--ignore-certificate-errors'] });
  ({ temp, orchestrator, browser } = rig);
  // By a host name, since security keys know no addresses.
  const url = orchestrator.url.replace('127.0.0.1', 'localhost');
  watched = await openPage(browser, `${url}/#/approvals`, { ignoreHTTPSErrors: true });
  page = watched.page;
  const ca = await page.evaluate(() => fetch('/api/v1/ca-certificate').then((answer) => answer.text()));
  call = (options) => callOrchestrator({ url: orchestrator.url, ca }, { token: TOKEN, ...options });
  const { token } = await createToken({ call });
  const home = temp.join('agent');
  await enrollHome({ home, url: orchestrator.url, token });
  agent = startAgent({ home });
  olga = addPerson({ dataDir: rig.dataDir, call }, 'olga', 'operator');
}, 60_000);
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await rig?.[Symbol.asyncDispose]();
});

const submit = (command: string) =>
  submitJob(olga, { arguments: { command }, description: `for ${command}` });
const card = (command: string) => page.getByRole('article', { name: `for ${command}` });
const endOf = async ({ id }: JobWithCommands) => {
  await call({ path: `${ORG}/jobs/${id}/events` });
  return (await call<JobWithCommands>({ path: `${ORG}/jobs/${id}` })).body.commands[0];
};

/** Both sizes and both colours; with `SCREENSHOTS=DIR` they are kept to be looked at. */
async function look(name: string): Promise<void> {
  for (const [size, viewport] of [
    ['wide', { width: 1440, height: 900 }],
    ['narrow', { width: 390, height: 844 }],
  ] as const)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      expect(await seriousIssues(page), `${name} ${size} ${colorScheme}`).toEqual([]);
      const wide = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
      expect(wide, `${name} ${size} scrolls sideways`).toBeLessThanOrEqual(0);
      if (SCREENSHOTS === undefined) continue;
      mkdirSync(SCREENSHOTS, { recursive: true });
      await page.screenshot({ path: `${SCREENSHOTS}/${name}-${size}-${colorScheme}.png`, fullPage: true });
    }
  await page.setViewportSize({ width: 1280, height: 900 });
}

describe('approvals in the page', () => {
  it('begin with a rule', async () => {
    await signIn(page, 'admin', PASSWORD);
    await page.getByText('Nothing waits for an approval').waitFor();
    await page.getByRole('link', { name: 'Rules' }).first().click();
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.getByLabel('Name').fill('stops');
    await page.getByLabel('Commands').fill('*echo stop*');
    await look('rule-form');
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.getByRole('row').filter({ hasText: 'stops' }).filter({ hasText: '*echo stop*' }).waitFor();
    await look('rules');
  });

  it('[approval-1] show what waits without a reload, and let another person approve it by keyboard', async () => {
    await page.getByRole('link', { name: 'Waiting', exact: true }).click();
    const job = await submit('echo stop it');
    await card('echo stop it').waitFor();
    await page.getByRole('navigation', { name: 'Main' }).getByText('1 waiting').waitFor();
    expect(await card('echo stop it').getByLabel('Command').textContent()).toBe('echo stop it');
    await card('echo stop it').getByRole('list', { name: 'Machines' }).waitFor();
    await look('waiting');
    await card('echo stop it').getByLabel('Comment').fill('seen it');
    await card('echo stop it').getByLabel('Comment').press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('Nothing waits for an approval').waitFor();
    expect(await endOf(job)).toMatchObject({ state: 'succeeded' });
    await page.getByRole('link', { name: 'Decided' }).click();
    await card('echo stop it').getByText('seen it').waitFor();
    await look('decided');
  });

  it('deny it with a comment', async () => {
    await page.getByRole('link', { name: 'Waiting', exact: true }).click();
    const job = await submit('echo stop that');
    await card('echo stop that').getByLabel('Comment').fill('not today');
    await card('echo stop that').getByRole('button', { name: 'Deny it' }).click();
    await page.getByRole('button', { name: 'Yes, deny' }).click();
    await page.getByText('Nothing waits for an approval').waitFor();
    expect(await endOf(job)).toMatchObject({ state: 'refused', reason: 'denied' });
  });

  it('[approval-3] sign with a security key what a machine’s policy demands, and the machine checks it', async () => {
    const devtools = await watched.context.newCDPSession(page);
    await devtools.send('WebAuthn.enable');
    await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'usb',
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    await page.getByText('A security key of your own').click();
    await page.getByRole('button', { name: 'Make a key' }).click();
    const lines = (await page.getByLabel('Lines for policy.yaml').textContent()) ?? '';
    const approval = { required: [{ tool: '*', command: '*echo signed*' }], approvers: parse(lines) };
    const grants = { orchestrator: { tools: { allow: ['*'] }, approval } };
    await writeFile(temp.join('agent/config/policy.yaml'), JSON.stringify({ version: 1, grants }), {
      mode: 0o644,
    });
    // The agent reads it at its next call, and refuses what only the orchestrator signed.
    expect(await endOf(await submit('echo signed by nobody'))).toMatchObject({ state: 'refused' });
    let job = await submit('echo signed by admin');
    while (job.commands[0]?.state !== 'awaiting_approval') {
      await endOf(job);
      job = await submit('echo signed by admin');
    }
    await card('echo signed by admin').getByRole('button', { name: 'Approve with security key' }).click();
    await page.getByText('Nothing waits for an approval').waitFor();
    expect(await endOf(job)).toMatchObject({ state: 'succeeded' });
  });

  it('lock and unlock a person', async () => {
    await page.getByRole('link', { name: 'Locks' }).click();
    await page.getByText('Nothing is locked').waitFor();
    await page.getByLabel('Which').fill('olga');
    await page.getByLabel('Reason').fill('laptop stolen');
    await page.getByRole('button', { name: 'Lock' }).click();
    await page.getByRole('row').filter({ hasText: 'laptop stolen' }).waitFor();
    await look('locks');
    expect(await olga.call({ path: `${ORG}/jobs` })).toMatchObject({ status: 423 });
    await page.getByRole('button', { name: 'Unlock olga' }).click();
    await page.getByRole('button', { name: 'Yes, unlock' }).click();
    await page.getByText('Nothing is locked').waitFor();
    expect(await olga.call({ path: `${ORG}/jobs` })).toMatchObject({ status: 200 });
  });

  it('complain about nothing', () => {
    expect(watched.complaints).toEqual([]);
  });
});

describe('a lock on a machine', () => {
  const open = (hash: string) => page.evaluate(`location.hash = ${JSON.stringify(hash)}`);

  it('is made on its page, seen in every list without a reload, and ended there', async () => {
    const { body } = await call<{ items: { agent_id: string; vm_id: string }[] }>({ path: `${ORG}/agents` });
    const [{ agent_id: id, vm_id: vmId } = { agent_id: '', vm_id: '' }] = body.items;
    await open('#/agents');
    const row = page.getByRole('row').filter({ hasText: vmId });
    for (const way of ['Files', 'Logs', 'Terminal'])
      expect(await row.getByRole('link', { name: `${way} of ${vmId}` }).getAttribute('href')).toBe(
        `#/agents/${id}/${way.toLowerCase()}`,
      );
    await row.getByRole('link', { name: vmId, exact: true }).click();
    await page.getByRole('button', { name: `Lock ${vmId}` }).click();
    await page.getByLabel('Reason').fill('under investigation');
    await look('machine-lock-form');
    await page.getByRole('button', { name: 'Lock', exact: true }).click();
    await page.getByText('This machine is locked').waitFor();
    await look('machine-locked');
    await open('#/agents');
    await row.getByText('under investigation').waitFor();
    await look('agents-locked');
    await open('#/');
    await page.getByRole('region', { name: 'Get nothing now' }).getByText('under investigation').waitFor();
    await look('overview-locked');
    await open(`#/agents/${id}`);
    await page.getByRole('button', { name: 'Unlock' }).click();
    await page.getByRole('button', { name: 'Yes, unlock' }).click();
    await page.getByRole('button', { name: `Lock ${vmId}` }).waitFor();
    await open('#/agents');
    await row.getByText('under investigation').waitFor({ state: 'detached' });
  });
});
