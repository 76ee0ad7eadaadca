import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PAGE_HEADERS } from '../../orchestrator/http/security-headers.ts';
import type { Command, JobWithCommands } from '../../protocol/rest-jobs.ts';
import { createFakeFleet, type FakeFleet } from '../fakes/fake-fleet.ts';
import { type FakeRestApi, startFakeRestApi } from '../fakes/fake-rest-api.ts';
import { launchBrowser, openPage, signIn, type WatchedPage } from './support/browser.ts';
import { buildPageFiles } from './support/page-files.ts';

/** The page against an API that a test scripts, under the orchestrator's own content security policy. */
let browser: Browser;
let files: Awaited<ReturnType<typeof buildPageFiles>>;
let fleet: FakeFleet;
let api: FakeRestApi;
let watched: WatchedPage;
let page: Page;

beforeAll(async () => {
  [browser, files] = await Promise.all([launchBrowser(), buildPageFiles()]);
});
afterAll(() => browser.close());

beforeEach(async () => {
  fleet = createFakeFleet({ now: () => Date.now() });
  api = await startFakeRestApi({
    fleet,
    username: 'admin',
    password: 'right',
    files,
    fileHeaders: PAGE_HEADERS,
  });
  watched = await openPage(browser, `${api.url}/#/agents`);
  page = watched.page;
});
afterEach(async () => {
  await watched.context.close();
  await api.close();
  expect(watched.complaints).toEqual([]);
});

const add = (vm_id: string, more: object = {}) =>
  fleet.addAgent({ vm_id, ...more } as Parameters<FakeFleet['addAgent']>[0]);
const button = (name: string | RegExp) => page.getByRole('button', { name });
const output = (command: Command) => page.getByRole('log', { name: `Output of ${command.vm_id}` });

/** Submits from the agents page; the machines in the order of the job. */
async function run(command: string): Promise<{ job: JobWithCommands; first: Command }> {
  const submitted = fleet.nextJob();
  await page.getByRole('textbox', { name: 'Command' }).fill(command);
  await button('Run').click();
  const job = await submitted;
  const [first] = job.commands;
  if (first === undefined) throw new Error('the job has no command');
  return { job, first };
}

describe('signing in', () => {
  it('says what is wrong with a wrong password, and what to do', async () => {
    await signIn(page, 'admin', 'wrong');
    const alert = page.getByRole('alert');
    await alert.getByText('User name or password is wrong.').waitFor();
    expect(await alert.textContent()).toContain('vm-orchestrator admin reset');
  });

  it('works with the keyboard alone, survives a reload, and ends', async () => {
    await page.getByLabel('User name').waitFor();
    await page.keyboard.type('admin');
    await page.keyboard.press('Tab');
    await page.keyboard.type('right');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Agents' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Agents' }).waitFor();
    await button('Sign out').click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  });

  it('asks again when the session ends, and goes on at the same place with what was typed', async () => {
    add('vm-web-a1b2c3');
    await signIn(page, 'admin', 'right');
    await page.getByRole('textbox', { name: 'Command' }).fill('uptime');
    api.endSession();
    await page.getByText('Your session has ended').waitFor();
    await signIn(page, 'admin', 'right');
    await page.getByRole('textbox', { name: 'Command' }).waitFor();
    expect(await page.getByRole('textbox', { name: 'Command' }).inputValue()).toBe('uptime');
  });
});

describe('adding a machine', () => {
  it('leads from the empty list to a token, its one-liner, and the machine that appears', async () => {
    await watched.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await signIn(page, 'admin', 'right');
    await page.getByText('No machines yet').waitFor();
    await page.getByRole('link', { name: 'Create token' }).click();
    await page.getByLabel('Labels').fill('env=prod nonsense');
    await button('Create token').click();
    await page.getByRole('alert').getByText('“nonsense” is not a label.').waitFor();
    await page.getByLabel('Labels').fill('env=prod, role=web');
    await page.getByLabel('Description').fill('rack 3');
    await button('Create token').click();

    const line = await page.getByLabel('One-line installer').textContent();
    expect(line).toMatch(/prov_\w+ \| curl .* sudo sh/s);
    await page.getByText('Shown once.').waitFor();
    await button('Copy the line').click();
    await page.getByText('Copied').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(line);

    await page.getByText('Waiting for the machine').waitFor();
    add('vm-web-a1b2c3', { labels: { env: 'prod' } });
    await page.getByRole('link', { name: 'vm-web-a1b2c3', exact: true }).waitFor();
    const posts = api.requests.filter(({ line: sent }) => /^POST .*provisioning-tokens$/.test(sent));
    expect(posts.map(({ idempotencyKey }) => idempotencyKey.length)).toEqual([36]);
    expect(fleet.tokens[0]).toMatchObject({
      labels: { env: 'prod', role: 'web' },
      description: 'rack 3',
      uses: 1,
    });
  });

  it('revokes a token after a second question', async () => {
    fleet.createToken({ uses: 5, ttl_s: 3600, labels: {}, description: 'old rack' });
    await signIn(page, 'admin', 'right');
    await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Agents' }).click();
    await page.getByRole('link', { name: 'Tokens', exact: true }).click();
    await button(/^Revoke token/).click();
    expect(fleet.tokens[0]?.revoked_at).toBeNull();
    await button('Yes, revoke').click();
    await page.getByRole('cell', { name: 'revoked' }).waitFor();
    expect(fleet.tokens[0]?.revoked_at).not.toBeNull();
  });
});

describe('the page of a machine', () => {
  it('revokes it after a second question', async () => {
    const { agent_id } = add('vm-web-a1b2c3');
    await signIn(page, 'admin', 'right');
    await page.getByRole('link', { name: 'vm-web-a1b2c3', exact: true }).click();
    await button('Revoke vm-web-a1b2c3').click();
    expect(fleet.agents.has(agent_id)).toBe(true);
    await button('Yes, revoke').click();
    await page.getByText('No machines yet').waitFor();
    expect(fleet.agents.has(agent_id)).toBe(false);
  });
});

describe('the list of agents', () => {
  it('shows who is online, and follows a machine that goes away', async () => {
    const web = add('vm-web-a1b2c3');
    add('vm-db-00aa11', { online: false, last_heartbeat_at: new Date(Date.now() - 7_200_000).toISOString() });
    await signIn(page, 'admin', 'right');
    await page.getByRole('row', { name: /vm-web-a1b2c3.*online/ }).waitFor();
    await page.getByRole('row', { name: /vm-db-00aa11.*offline.*2 h ago/ }).waitFor();
    await page.getByText('1 of 2 machines online').waitFor();
    fleet.addAgent({ ...web, online: false });
    await page.getByText('0 of 2 machines online').waitFor();
  });

  it('says that the connection is lost, and takes it back when it returns', async () => {
    add('vm-web-a1b2c3');
    await signIn(page, 'admin', 'right');
    await page.getByRole('link', { name: 'vm-web-a1b2c3', exact: true }).waitFor();
    api.setDown(true);
    await page.getByText('Connection lost.').waitFor();
    await page.getByRole('link', { name: 'vm-web-a1b2c3', exact: true }).waitFor();
    api.setDown(false);
    await page.getByText('Connection lost.').waitFor({ state: 'hidden' });
  });
});

describe('running a command', () => {
  beforeEach(async () => {
    add('vm-web-a1b2c3');
    add('vm-db-00aa11');
    await signIn(page, 'admin', 'right');
    await page.getByRole('link', { name: 'vm-db-00aa11', exact: true }).waitFor();
  });

  it('runs where it was told to, and shows the selector before', async () => {
    await page.getByLabel('Select vm-db-00aa11').check();
    await page.getByText('id=vm-db-00aa11').waitFor();
    await page.getByLabel('Timeout, number').fill('30');
    await page.getByLabel('Timeout, unit').selectOption('s');
    const { job } = await run('uname -a');
    expect(job.commands.map(({ vm_id }) => vm_id)).toEqual(['vm-db-00aa11']);
    expect([job.selector, job.timeout, job.arguments]).toEqual([
      'id=vm-db-00aa11',
      30,
      { command: 'uname -a' },
    ]);
    const [post] = api.requests.filter(({ line }) => /^POST .*\/jobs$/.test(line));
    expect(post?.idempotencyKey).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('says what the API says against a selector', async () => {
    await page.getByText('Selector', { exact: true }).first().click();
    await page.getByRole('textbox', { name: 'Selector' }).fill('env=nowhere');
    await page.getByRole('textbox', { name: 'Command' }).fill('true');
    await page.keyboard.press('Control+Enter');
    await page.getByRole('alert').getByText('No agent matches the selector.').waitFor();
  });

  it('shows each line when it comes, streams apart, and how it ended', async () => {
    const { first } = await run('for i in 1 2; do echo line $i; sleep 1; done');
    fleet.setState(first, 'running');
    fleet.write(first, 'stdout', 'line 1\n');
    await output(first).getByText('line 1').waitFor();
    // The second line does not exist yet: what is seen is live.
    expect(await output(first).textContent()).toBe('line 1\n');
    fleet.write(first, 'stderr', 'a warning\n');
    fleet.write(first, 'stdout', 'line 2\n');
    await output(first).getByText('line 2').waitFor();
    expect(await output(first).getByRole('group', { name: 'stderr' }).textContent()).toBe('a warning\n');
    fleet.setState(first, 'failed', { exit_code: 3, reason: 'exit' });
    const card = page.getByRole('article', { name: first.vm_id });
    await card.getByText('exit code 3').waitFor();
    await card.getByText('failed').waitFor();
    await card.getByText('1.2 s').waitFor();
  });

  it('goes on where it stopped when the stream is cut, without a line twice', async () => {
    const { first } = await run('seq 2');
    fleet.setState(first, 'running');
    fleet.write(first, 'stdout', 'line 1\n');
    await output(first).getByText('line 1').waitFor();
    api.cutStreams();
    fleet.write(first, 'stdout', 'line 2\n');
    await output(first).getByText('line 2').waitFor();
    expect(await output(first).textContent()).toBe('line 1\nline 2\n');
    expect(api.requests.filter(({ line }) => /jobs\/[^/]+\/events$/.test(line)).at(-1)?.lastEventId).toBe(
      '2',
    );
  });

  it('is gone from the box once it was sent, here and on every machine’s page', async () => {
    await run('echo once');
    await page.getByRole('navigation').getByRole('link', { name: 'Agents' }).click();
    const box = page.getByRole('textbox', { name: 'Command' });
    await box.waitFor();
    expect(await box.inputValue()).toBe('');
  });

  it('cancels after a second question', async () => {
    const { job, first } = await run('sleep 1000');
    fleet.setState(first, 'running');
    await button(/^Cancel 2 commands/).click();
    await page.getByText('Cancel 2 commands?').waitFor();
    await button('Yes, cancel').click();
    await page.getByRole('article', { name: first.vm_id }).getByText('cancelled').waitFor();
    expect(job.commands.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
  });

  it('keeps a link to each job that tells it again, also from the list', async () => {
    const { job, first } = await run('echo kept');
    fleet.write(first, 'stdout', 'kept\n');
    for (const command of job.commands) fleet.setState(command, 'succeeded', { exit_code: 0 });
    await page.getByText('2 succeeded').waitFor();
    await page.reload();
    await output(first).getByText('kept').waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Jobs' }).click();
    await page.getByRole('link', { name: 'echo kept' }).click();
    await output(first).getByText('kept').waitFor();
    expect(page.url()).toContain(`#/jobs/${job.id}`);
  });

  it('holds little of a large output, says so, and gives the whole as a file', async () => {
    const { job, first } = await run('seq 1000000');
    fleet.write(first, 'stdout', 'the beginning\n');
    await output(first).getByText('the beginning').waitFor();
    const piece = Array.from({ length: 2000 }, (_, n) => `line ${n} ${'x'.repeat(60)}`).join('\n');
    for (let n = 0; n < 40; n++) fleet.write(first, 'stdout', `${piece}\n`);
    fleet.write(first, 'stdout', 'the end\n');
    for (const command of job.commands) fleet.setState(command, 'succeeded', { exit_code: 0 });
    await output(first).getByText('the end').waitFor();
    const shown = (await output(first).textContent()) ?? '';
    expect(shown.length).toBeLessThanOrEqual(256 * 1024);
    await page.getByText(/The first .* MB of text are not shown here/).waitFor();

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: new RegExp(`^Download stdout .* of ${first.vm_id}$`) }).click(),
    ]);
    const chunks: Buffer[] = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(fleet.output(first.id, 'stdout'))).toBe(true);

    // Opened again, it is read from its end: no replay of megabytes.
    await page.reload();
    await output(first).getByText('the end').waitFor();
    await page.getByText(/The first .* MB of text are not shown here/).waitFor();
    expect(api.requests.filter(({ line }) => /jobs\/[^/]+\/events$/.test(line))).toHaveLength(1);
  });
});

describe('text from machines', () => {
  const HOSTILE = `<img src=x onerror="alert(1)"><script>alert(2)</script>`;

  it('[page-1] is never markup, neither in names and facts nor in output', async () => {
    add('vm-web-a1b2c3', {
      hostname: HOSTILE,
      version: HOSTILE.slice(0, 60),
      facts: { hostname: HOSTILE, os: 'linux', os_name: `Debian \u202e${HOSTILE}`, arch: 'x64' },
    });
    await signIn(page, 'admin', 'right');
    await page.getByText(HOSTILE, { exact: true }).first().waitFor();
    expect(await page.getByRole('row', { name: /vm-web/ }).textContent()).toContain('‹U+202E›');
    const { first } = await run(HOSTILE);
    fleet.write(first, 'stdout', `\u001b]0;title\u0007\u001b[31m${HOSTILE}\u001b[0m \u202e!\n`);
    fleet.setState(first, 'refused', { error: { code: 'tool_disabled', message: HOSTILE } });
    await output(first).waitFor();
    expect(await output(first).textContent()).toBe(`${HOSTILE} ‹U+202E›!\n`);
    await page.getByRole('link', { name: first.vm_id, exact: true }).click();
    await page.getByText('Host name').waitFor();
    expect(await page.locator('img, script:not([src])').count()).toBe(0);
  });
});

describe('a narrow screen', () => {
  it('never scrolls sideways', async () => {
    await page.setViewportSize({ width: 400, height: 800 });
    add(`vm-${'a'.repeat(60)}-a1b2c3`, { labels: { environment: 'x'.repeat(60) } });
    await signIn(page, 'admin', 'right');
    await page.getByRole('table').waitFor();
    const overflow = () => page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    expect(await overflow()).toBeLessThanOrEqual(0);
    const { first } = await run(`echo ${'x'.repeat(300)}`);
    fleet.write(first, 'stdout', `${'x'.repeat(300)}\n`);
    await output(first).waitFor();
    expect(await overflow()).toBeLessThanOrEqual(0);
  });
});
