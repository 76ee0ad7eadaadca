import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PAGE_HEADERS } from '../../orchestrator/http/security-headers.ts';
import { vmIdSchema } from '../../protocol/ids.ts';
import { createFakeFleet } from '../fakes/fake-fleet.ts';
import { type FakeRestApi, startFakeRestApi } from '../fakes/fake-rest-api.ts';
import { seriousIssues } from './support/axe.ts';
import { launchBrowser, openPage, signIn, type WatchedPage } from './support/browser.ts';
import { buildPageFiles } from './support/page-files.ts';

/** Every page, in both colours and on both sizes of screen. With `SCREENSHOTS=DIR` they are kept to be looked at. */
const SCREENSHOTS = process.env['SCREENSHOTS'];

let browser: Browser;
let api: FakeRestApi;
const fleet = createFakeFleet({ now: () => Date.now() });

beforeAll(async () => {
  const [launched, files] = await Promise.all([launchBrowser(), buildPageFiles()]);
  browser = launched;
  api = await startFakeRestApi({
    fleet,
    username: 'admin',
    password: 'right',
    files,
    fileHeaders: PAGE_HEADERS,
  });
  for (let index = 0; index < 40; index++)
    fleet.addAgent({
      vm_id: vmIdSchema.parse(`vm-web-${index.toString(16).padStart(6, '0')}`),
      online: index % 7 !== 0,
      labels: { env: index % 3 === 0 ? 'prod' : 'test', role: 'web' },
    });
  const job = fleet.createJob({
    selector: 'env=prod',
    tool: 'execute_shell_command',
    arguments: { command: 'uptime' },
    timeout: 300,
    description: '',
  } as Parameters<typeof fleet.createJob>[0]);
  for (const [index, command] of (job?.commands ?? []).entries()) {
    fleet.write(command, 'stdout', `line of ${command.vm_id}\n`);
    fleet.setState(command, index % 4 === 0 ? 'failed' : 'succeeded', { exit_code: index % 4 === 0 ? 1 : 0 });
  }
  if (SCREENSHOTS !== undefined) mkdirSync(SCREENSHOTS, { recursive: true });
});
afterAll(async () => {
  await browser?.close();
  await api?.close();
});

const SIZES = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } };

const pages = (): { name: string; hash: string; shows: string | RegExp }[] => [
  { name: 'overview', hash: '#/', shows: 'Expires soon' },
  { name: 'agents', hash: '#/agents', shows: /machines online/ },
  { name: 'agent', hash: `#/agents/${[...fleet.agents.keys()][1]}`, shows: 'Certificate' },
  { name: 'add', hash: '#/add', shows: 'Create token' },
  { name: 'tokens', hash: '#/tokens', shows: 'Tokens' },
  { name: 'jobs', hash: '#/jobs', shows: 'env=prod' },
  { name: 'job', hash: `#/jobs/${[...fleet.jobs.keys()][0]}`, shows: 'uptime' },
  { name: 'missing', hash: '#/nothing', shows: 'There is no such page' },
];

/** The document is no wider than the screen. */
const fits = (page: Page): Promise<boolean> =>
  page.evaluate<boolean>('document.documentElement.scrollWidth <= innerWidth');

describe.each(Object.keys(SIZES) as (keyof typeof SIZES)[])('on a %s screen', (size) => {
  describe.each(['light', 'dark'] as const)('in %s colours', (colorScheme) => {
    let watched: WatchedPage;
    beforeAll(async () => {
      watched = await openPage(browser, api.url, {
        viewport: SIZES[size],
        colorScheme,
        reducedMotion: 'reduce',
      });
      const login = await seriousIssues(watched.page);
      expect(login).toEqual([]);
      if (SCREENSHOTS !== undefined)
        await watched.page.screenshot({ path: `${SCREENSHOTS}/login-${size}-${colorScheme}.png` });
      await signIn(watched.page, 'admin', 'right');
      await watched.page.getByRole('navigation').waitFor();
    });
    afterAll(() => watched.context.close());

    it.each(
      pages().length === 0 ? [] : ['overview', 'agents', 'agent', 'add', 'tokens', 'jobs', 'job', 'missing'],
    )('[page-2] the page %s has no serious finding of axe, and no sideways scroll', async (name) => {
      const found = pages().find((each) => each.name === name);
      if (found === undefined) throw new Error(`no page ${name}`);
      await watched.page.goto(`${api.url}/${found.hash}`);
      await watched.page.getByText(found.shows).first().waitFor();
      if (SCREENSHOTS !== undefined)
        await watched.page.screenshot({ path: `${SCREENSHOTS}/${name}-${size}-${colorScheme}.png` });
      expect(await fits(watched.page)).toBe(true);
      expect(await seriousIssues(watched.page)).toEqual([]);
      expect(watched.complaints).toEqual([]);
    });
  });
});
