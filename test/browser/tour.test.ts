// Everything that people come to the dashboard for, in the order in which a new team does it: real machines, a real
// browser, one sitting. Each test goes on where the last ended.
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placeOf } from '../../orchestrator/dashboard/model/route.ts';
import type { Agent } from '../../protocol/rest-fleet.ts';
import { isAlive } from '../fakes/processes.ts';
import { ORG } from '../integration/support/fleet.ts';
import { ended, runProgram, startProgram } from '../integration/support/installer.ts';
import { signIn, type WatchedPage } from './support/browser.ts';
import { chartIsDrawn, fillMetrics } from './support/load-charts.ts';
import { inspect, navigation, patterns, type Screen } from './support/screens.ts';
import { type Seeded, seed } from './support/seed.ts';
import { createStage, type Stage, signInAsAdmin } from './support/stage.ts';
import { SCREENS } from './support/tour-screens.ts';

let stage: Stage;
let watched: WatchedPage;
let page: Page;
/** The second person, in a browser of his own. */
let second: WatchedPage;
let folder: string;
const toEnd: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  stage = await createStage();
  await Promise.all([
    stage.addAgent('web-1', { env: 'prod', role: 'web' }),
    stage.addAgent('web-2', { env: 'prod', role: 'web' }),
    stage.addAgent('db-1', { env: 'test', role: 'db' }),
  ]);
  folder = stage.temp.join('files');
  mkdirSync(folder);
  watched = await stage.open();
  page = watched.page;
});
afterAll(async () => {
  for (const end of toEnd) await end();
  await stage?.[Symbol.asyncDispose]();
});

const button = (name: string | RegExp, within: Pick<Page, 'getByRole'> = page) =>
  within.getByRole('button', { name });
const tab = (name: string, within: Page = page) =>
  within.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).click();
const part = (name: string) =>
  page.getByRole('navigation', { name: 'Parts of this machine’s page' }).getByRole('link', { name }).click();
const machine = (host: string) => stage.agents.find(({ vmId }) => vmId.includes(host))?.vmId ?? '';
const output = (host: string) => page.getByRole('log', { name: `Output of ${machine(host)}` });
const card = (host: string) => page.getByRole('article', { name: machine(host) });
async function openMachine(host: string): Promise<void> {
  await tab('Agents');
  await page
    .getByRole('table')
    .getByRole('link', { name: machine(host), exact: true })
    .click();
  await page.getByRole('heading', { name: machine(host) }).waitFor();
}
/** Runs a command on the machines that are ticked. */
async function runOn(hosts: readonly string[], command: string): Promise<void> {
  await tab('Agents');
  for (const { vmId } of stage.agents)
    await page.getByRole('checkbox', { name: vmId }).setChecked(hosts.some((host) => vmId.includes(host)));
  await page.getByText(`Selected (${hosts.length})`).waitFor();
  await page.getByRole('textbox', { name: 'Command' }).fill(command);
  await button('Run').click();
}

describe('a team’s first day', () => {
  it('signs in', async () => {
    await signInAsAdmin(stage, page);
    await page.getByText('Every machine is connected').waitFor();
  });

  it('creates a token and enrolls a fourth machine with the line that is shown, which appears without a reload', async () => {
    await tab('Agents');
    await page.getByRole('link', { name: 'Tokens', exact: true }).click();
    await page.getByRole('link', { name: 'Create token' }).first().click();
    await page.getByRole('textbox', { name: /^Labels/ }).fill('env=test role=cache');
    await button('Create token').click();
    await page.getByText('Waiting for the machine').waitFor();
    await page.evaluate('window.kept = true');
    await page.getByText('Without root', { exact: true }).click();
    const line = (await page.getByLabel('One-line installer without root').textContent()) ?? '';

    const home = stage.temp.join('home-of-a-user');
    mkdirSync(home);
    const installed = await runProgram(['sh', '-c', line], { env: { HOME: home } });
    expect(installed.code, installed.out + installed.err).toBe(0);
    const start = /^Start it: (.*)$/m.exec(installed.out)?.[1] ?? '';
    const agent = startProgram(['sh', '-c', `exec ${start}`], { env: { HOME: home } });
    const stopped = ended(agent);
    toEnd.push(async () => {
      agent.kill('SIGTERM');
      await stopped;
    });
    const arrived = page.getByRole('region', { name: 'New machines' }).getByRole('listitem');
    await arrived.getByText('online').waitFor();
    await page.getByRole('link', { name: 'To the agents' }).click();
    await page.getByRole('status').filter({ hasText: '4 of 4 machines online' }).waitFor();
    await page.getByRole('row').filter({ hasText: 'role=cache' }).waitFor();
    expect(await page.evaluate('window.kept')).toBe(true);
  });

  it('runs a command on a selection and watches it live', async () => {
    const gate = stage.temp.join('gate');
    await runOn(['web-1', 'web-2'], `echo first; until [ -e '${gate}' ]; do sleep 0.1; done; echo second`);
    await output('web-1').getByText('first').waitFor();
    await output('web-2').getByText('first').waitFor();
    expect(await page.getByRole('article').count()).toBe(2);
    expect(await output('web-1').textContent()).not.toContain('second');
    writeFileSync(gate, '');
    await output('web-1').getByText('second').waitFor();
    await card('web-2').getByText('succeeded').waitFor();
  });

  it('cancels one, and nothing of it goes on running', async () => {
    await runOn(['db-1'], 'echo "pid $$"; exec sleep 1000');
    await output('db-1').getByText('pid').waitFor();
    const pid = /pid (\d+)/.exec((await output('db-1').textContent()) ?? '')?.[1] ?? '';
    expect(isAlive(pid)).toBe(true);
    await button('Cancel 1 command').click();
    await button('Yes, cancel').click();
    await card('db-1').getByText('cancelled', { exact: true }).waitFor();
    expect(isAlive(pid)).toBe(false);
  });

  it('has a second person approve what a rule holds back', async () => {
    await tab('Settings');
    await page.getByRole('link', { name: 'All users' }).click();
    await page.getByLabel('User name').fill('petra');
    await page.getByLabel('Role in default').selectOption('approver');
    await button('Create user').click();
    const password = (await page.getByLabel('the password', { exact: true }).textContent()) ?? '';

    await tab('Approvals');
    await page.getByRole('link', { name: 'Rules' }).first().click();
    await button('Add rule').click();
    await page.getByLabel('Name').fill('restarts');
    await page.getByLabel('Commands').fill('*restart*');
    await button('Add rule').click();
    await page.getByRole('row').filter({ hasText: '*restart*' }).waitFor();

    await runOn(['web-1'], 'echo restart of nginx');
    await card('web-1')
      .getByText('waits for approval')
      .or(card('web-1').getByText(/approval/))
      .first()
      .waitFor();
    second = await stage.open();
    await signIn(second.page, 'petra', password);
    await tab('Approvals', second.page);
    const asked = second.page.getByRole('article').filter({ hasText: 'echo restart of nginx' });
    await asked.getByText('admin').first().waitFor();
    await asked.getByLabel('Comment').fill('go on');
    await button('Approve', asked).click();
    await second.page.getByText('Nothing waits for an approval').waitFor();
    // The first person's page goes on by itself.
    await card('web-1').getByText('succeeded').waitFor();
    await output('web-1').getByText('restart of nginx').waitFor();
  });

  it('types into a terminal', async () => {
    await openMachine('web-1');
    await part('Terminal');
    await page.getByRole('status').filter({ hasText: 'Connected' }).waitFor();
    await page.keyboard.type('echo typed-$((40+2))\n');
    const screen = page.getByRole('group', { name: /^Terminal on/ }).locator('.xterm-rows');
    await screen.getByText('typed-42').first().waitFor();
    await page.keyboard.type('exit\n');
    await page.getByRole('status').filter({ hasText: 'exit code 0' }).waitFor();
  });

  it('browses and edits a file, and sees the change before it is written', async () => {
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, 'worker_processes 1;\nuser www-data;\n');
    await openMachine('web-1');
    await part('Files');
    await page.getByLabel('Go to a path').fill(folder);
    await button('Go').click();
    await page.getByRole('link', { name: 'nginx.conf', exact: true }).click();
    await page.getByText('worker_processes 1;').waitFor();
    await button('Edit').click();
    await page.getByLabel(/^Content of/).fill('worker_processes 4;\nuser www-data;\n');
    await button('Review changes').click();
    const diff = page.getByRole('region', { name: 'What the change does' });
    expect(await diff.locator('.removed').textContent()).toContain('worker_processes 1;');
    expect(await diff.locator('.added').textContent()).toContain('worker_processes 4;');
    expect(readFileSync(file, 'utf8')).toContain('worker_processes 1;');
    await button('Save').click();
    await page
      .getByRole('region', { name: 'Content of the file' })
      .getByText('worker_processes 4;')
      .waitFor();
    expect(readFileSync(file, 'utf8')).toBe('worker_processes 4;\nuser www-data;\n');
  });

  it('reads its load as charts and as tables', async () => {
    fillMetrics(stage.orchestrator.dataDir, machine('web-1'));
    await part('Metrics');
    await page.getByRole('region', { name: 'CPU' }).locator('canvas').waitFor();
    await chartIsDrawn(page);
    await page.getByLabel('Show as tables').check();
    await page
      .getByRole('table', { name: 'CPU over time' })
      .getByRole('cell', { name: /%/ })
      .first()
      .waitFor();
  });

  it('follows a log and has it analyzed', async () => {
    const log = join(folder, 'app.log');
    const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 10, 0, second)).toISOString();
    const lines = Array.from({ length: 300 }, (_, i) =>
      i > 200 && i % 4 === 0
        ? `${at(i)} ERROR connection to 10.0.0.${i} lost\n`
        : `${at(i)} INFO request ${i} done in ${i % 40} ms\n`,
    );
    writeFileSync(log, lines.join(''));
    await part('Logs');
    await page.getByLabel('File or unit').fill(log);
    await button('Show').click();
    await page.getByRole('log').getByText('request 299').waitFor();
    appendFileSync(log, `${at(301)} INFO written while one looks\n`);
    await page.getByRole('log').getByText('written while one looks').waitFor();
    await button(/^Analyze the last/).click();
    const bars = page.getByRole('region', { name: 'Lines over time' }).getByRole('button');
    await bars.first().waitFor();
    expect(await bars.count()).toBeGreaterThan(3);
    await page.getByText('What stands out').waitFor();
    await bars.last().click();
    await button('Back to the whole').click();
    await button('Back to the whole').waitFor({ state: 'detached' });
  });

  it('plays the terminal again', async () => {
    await openMachine('web-1');
    await part('Recordings');
    await page
      .getByRole('table')
      .getByRole('link', { name: machine('web-1') })
      .click();
    const screen = page.getByRole('group', { name: /^Recording of/ }).locator('.xterm-rows');
    const position = page.getByRole('slider', { name: 'Position' });
    await position.waitFor();
    await position.fill(String(await position.getAttribute('max')));
    await screen.getByText('typed-42').first().waitFor();
  });

  it('verifies the audit log, which tells all of it', async () => {
    await tab('Audit');
    for (const action of ['terminal.opened', 'approval.approve', 'command.cancel', 'tool.call'])
      await page.getByRole('row').filter({ hasText: action }).first().waitFor();
    await button('Verify the log').click();
    await page.getByText('The log is good.').waitFor();
  });

  it('signs out', async () => {
    await button('Sign out').click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  });

  it('gives no complaint of the browser or its policy', () => {
    expect(watched.complaints).toEqual([]);
    expect(second.complaints).toEqual([]);
  });
});

describe('every page, on a desk and on a phone, by day and by night', () => {
  const visited = new Set<string>();
  const linked = new Set<string>();
  let seeded: Seeded;
  let recording: string;
  const ids = new Map<string, string>();
  /** Stands for what is only known once the machines are there. */
  const hashOf = ({ hash }: Screen) =>
    hash
      .replace(/\{([\w-]+)\}/, (_, host: string) => ids.get(machine(host)) ?? '')
      .replace('<rollout>', () => seeded.rollout.id)
      .replace('<waiting>', () => seeded.waiting.id)
      .replace('<recording>', () => recording)
      .replace('<folder>', () => encodeURIComponent(folder));

  beforeAll(async () => {
    await stage.agents.find(({ vmId }) => vmId.includes('db-1'))?.process[Symbol.asyncDispose]();
    seeded = await seed(stage);
    const { call } = stage.orchestrator;
    const agents = await call<{ items: Agent[] }>({ path: `${ORG}/agents` });
    for (const { vm_id, agent_id } of agents.body.items) ids.set(vm_id, agent_id);
    recording =
      (await call<{ items: { id: string }[] }>({ path: `${ORG}/recordings` })).body.items[0]?.id ?? '';
  });

  it('[page-2] login', async () => {
    await inspect(page, 'login');
    await signInAsAdmin(stage, page);
  });

  it.each(SCREENS)('[page-2] $name', async (screen) => {
    const hash = hashOf(screen);
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
    await page.getByRole('main').getByText(screen.shows).first().waitFor();
    await screen.open?.(page);
    visited.add(placeOf(hash, await patterns())?.pattern ?? 'missing').add(hash);
    for (const link of await navigation(page)) linked.add(link);
    await inspect(page, screen.name);
  });

  it('was visited', async () => {
    expect((await patterns()).filter((pattern) => !visited.has(pattern))).toEqual([]);
    const parts = (hash: string) => hash.split('?')[0]?.replace(/agt-\w+/, 'agent') ?? '';
    const seen = new Set([...visited].map(parts));
    expect([...linked].map(parts).filter((link) => !seen.has(link))).toEqual([]);
    expect(watched.complaints).toEqual([]);
  });
});
