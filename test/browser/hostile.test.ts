// What machines say is data: names, labels, files, processes, logs and output that try to be more, on every page that
// shows them.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobWithCommands } from '../../protocol/rest-jobs.ts';
import { fakeFacts } from '../fakes/facts.ts';
import type { FakeAgent } from '../fakes/fake-agent.ts';
import { enrollAgent, ORG, submitJob } from '../integration/support/fleet.ts';
import type { WatchedPage } from './support/browser.ts';
import { createStage, type Stage, type StagedAgent, signInAsAdmin } from './support/stage.ts';

const MARKUP = '<img src=x onerror=alert(1)><b class=planted>';
const ANSI = '\u001b[31mred\u001b[0m';
const BIDI = '\u202egpj.exe\u2066';
const HOSTILE = `${MARKUP}${BIDI}${ANSI}`;
/** What stands for it in a name: nothing is left out, nothing acts. */
const AS_NAME = `${MARKUP}‹U+202E›gpj.exe‹U+2066›‹ESC›[31mred‹ESC›[0m`;
/** Of output and logs the sequences of terminals are left out. */
const AS_OUTPUT = `${MARKUP}‹U+202E›gpj.exe‹U+2066›red`;
const FILE = `${HOSTILE}.log`;

let stage: Stage;
let watched: WatchedPage;
let page: Page;
let real: StagedAgent;
let realId: string;
let fake: FakeAgent;
let fakeId: string;
let fakeVm: string;
let job: JobWithCommands;
let running: ChildProcess;
let folder: string;

beforeAll(async () => {
  stage = await createStage();
  const { orchestrator } = stage;
  real = await stage.addAgent('real');
  const enrolled = await enrollAgent(orchestrator, { hostname: HOSTILE, facts: facts() });
  fakeVm = enrolled.vmId;
  fake = enrolled.fake(orchestrator, {
    autoRun: () => ({
      stdout: Buffer.from(`${HOSTILE}\n`),
      stderr: Buffer.from(`${HOSTILE}\n`),
      exitCode: 1,
    }),
  });
  // Labels take letters alone; facts, what an operating system calls itself.
  await fake.connect({ facts: facts() });
  const idOf = async (vmId: string) =>
    (await orchestrator.call<{ agent_id: string }>({ path: `${ORG}/agents/${vmId}` })).body.agent_id;
  [realId, fakeId] = [await idOf(real.vmId), await idOf(fakeVm)];

  folder = stage.temp.join('files');
  mkdirSync(folder);
  writeFileSync(join(folder, FILE), `2026-01-01T10:00:00Z ERROR ${HOSTILE}\n`);
  symlinkSync(HOSTILE, join(folder, `${HOSTILE}.lnk`));
  writeFileSync(join(folder, 'app.log'), `2026-01-01T10:00:00Z ERROR ${HOSTILE}\n`.repeat(9));
  // A process may call itself whatever it likes.
  running = spawn('/bin/sleep', ['1000'], { argv0: HOSTILE, stdio: 'ignore' });
  job = await submitJob(orchestrator, {
    description: HOSTILE,
    arguments: { command: `printf '%s\\n' '${HOSTILE}'` },
  });
  await orchestrator.call({ path: `${ORG}/jobs/${job.id}/events` });

  watched = await stage.open();
  page = watched.page;
  await signInAsAdmin(stage, page);
});
afterAll(async () => {
  running?.kill('SIGKILL');
  await fake?.drop();
  await stage?.[Symbol.asyncDispose]();
});

const facts = () =>
  fakeFacts({
    hostname: HOSTILE,
    os: HOSTILE.slice(0, 64),
    os_name: HOSTILE,
    kernel: HOSTILE,
    arch: HOSTILE.slice(0, 32),
    addresses: [HOSTILE.slice(0, 64)],
    virtualization: HOSTILE.slice(0, 64),
  });

/** Neither an element of theirs, nor a character that hides or turns others: in texts, in attributes, in the title. */
async function expectTame(where: string): Promise<void> {
  const planted = await page.evaluate<number>(
    "document.querySelectorAll('img, .planted, script:not([src])').length",
  );
  expect(planted, where).toBe(0);
  const wild = await page.evaluate<string[]>(`(() => {
    const hidden = /[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]/;
    const found = [];
    for (const element of document.querySelectorAll('body *')) {
      for (const child of element.childNodes)
        if (child.nodeType === 3 && hidden.test(child.data)) found.push(element.tagName + ': ' + child.data);
      for (const { name, value } of element.attributes)
        if (['title', 'aria-label', 'download'].includes(name) && hidden.test(value)) found.push(name + ': ' + value);
    }
    if (hidden.test(document.title)) found.push('title of the page');
    return found.map((text) => text.slice(0, 120));
  })()`);
  expect(wild, where).toEqual([]);
  expect(watched.complaints, where).toEqual([]);
}

const main = () => page.getByRole('main');
async function visit(hash: string, shows: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await main().getByText(shows).first().waitFor();
  await expectTame(hash);
}

describe('[page-1] what a machine says stays text', () => {
  it.each([
    ['overview', (): string => '#/', 'Failed in the last'],
    ['agents', (): string => '#/agents', AS_NAME],
    ['its own page', (): string => `#/agents/${fakeId}/overview`, AS_NAME],
    ['jobs', (): string => '#/jobs', AS_NAME],
    ['the job', (): string => `#/jobs/${job.id}`, AS_OUTPUT],
    ['its commands', (): string => `#/agents/${fakeId}/commands`, AS_NAME],
    ['audit', (): string => '#/audit', 'job.submit'],
    ['files', (): string => `#/agents/${realId}/files?path=${encodeURIComponent(folder)}`, AS_NAME],
    [
      'a log',
      (): string => `#/agents/${realId}/logs?log=${encodeURIComponent(join(folder, 'app.log'))}`,
      MARKUP,
    ],
  ] as const)('on the page of %s', async (_name, hash, shows) => {
    await visit(hash(), shows);
  });

  it('where outputs are compared', async () => {
    await page.evaluate(`location.hash = '#/jobs/${job.id}'`);
    await page.getByRole('button', { name: 'Compare outputs' }).click();
    await page.getByRole('region', { name: 'Results compared' }).getByText(MARKUP).first().waitFor();
    await expectTame('groups');
  });

  it('in the file, its edit and its change', async () => {
    await page.evaluate(
      `location.hash = ${JSON.stringify(`#/agents/${realId}/files?path=${encodeURIComponent(folder)}`)}`,
    );
    await main()
      .getByRole('link', { name: `${AS_NAME}.log`, exact: true })
      .first()
      .click();
    await main().getByRole('region', { name: 'Content of the file' }).getByText(MARKUP).first().waitFor();
    await expectTame('file');
    await page.getByRole('button', { name: 'Edit' }).click();
    await page.getByLabel(/^Content of/).fill('tame');
    await page.getByRole('button', { name: 'Review changes' }).click();
    await page.getByRole('region', { name: 'What the change does' }).getByText(MARKUP).first().waitFor();
    await expectTame('change of the file');
  });

  it('in the analysis of a log', async () => {
    await visit(`#/agents/${realId}/logs?log=${encodeURIComponent(join(folder, 'app.log'))}`, MARKUP);
    await page.getByRole('button', { name: /^Analyze the last/ }).click();
    await page.getByRole('heading', { name: 'Messages' }).waitFor();
    await expectTame('analysis');
  });

  it('among the processes', async () => {
    await page.evaluate(`location.hash = '#/agents/${realId}/processes'`);
    await page.getByLabel('Filter processes').fill('planted');
    await page.getByRole('table', { name: 'Processes' }).getByText('‹U+202E›gpj.exe').first().waitFor();
    await expectTame('processes');
  });

  it('in a terminal and its title, and in its recording', async () => {
    await page.evaluate(`location.hash = '#/agents/${realId}/terminal'`);
    await page.getByRole('status').filter({ hasText: 'Connected' }).waitFor();
    const title = await page.title();
    await page.keyboard.type(
      "printf '\\033]0;%s\\007' '<b class=planted>'; printf '<b class=%s>\\n' planted; exit\n",
    );
    await page.getByRole('status').filter({ hasText: 'exit code 0' }).waitFor();
    await page.locator('.xterm-rows').getByText('<b class=planted>').first().waitFor();
    expect(await page.title()).toBe(title);
    expect(await page.locator('img, .planted').count()).toBe(0);
    await page.evaluate("location.hash = '#/recordings'");
    await main().getByRole('table').getByRole('link', { name: real.vmId, exact: true }).click();
    await page.locator('.xterm-rows').getByText('<b class=planted>').first().waitFor();
    expect(await page.locator('img, .planted').count()).toBe(0);
    expect(watched.complaints).toEqual([]);
  });
});
