// The page with a large fleet: how soon it shows machines, and how fast its filter answers, in real Chromium.

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { chromium, type Page } from 'playwright-core';
import { encodeUlid } from '../protocol/ids.ts';
import type { BenchOptions, Comparison } from './lib/comparison.ts';
import { describeMachine } from './lib/machine.ts';
import type { Goal, Report } from './lib/report.ts';
import { type Stack, startStack } from './lib/stack.ts';
import { type Summary, summarize } from './lib/stats.ts';

const MACHINES = 10_000;
const ROUNDS = 7;
const PAINT_LIMIT_MS = 1500;
const FILTER_LIMIT_MS = 100;
const EXECUTABLE = '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'];
const WORDS = [
  'env=prod',
  'vm-machine-00',
  'debian 13',
  'role=web env=test',
  '1.0.3',
  'no such machine',
  'offline',
];

/** Copies of the enrolled machine, each with its own names, labels and certificate; the server reads them like any other. */
function fillStore(stack: Stack): void {
  const db = new DatabaseSync(join(stack.dataDir, 'orchestrator.db'));
  try {
    db.exec('PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE');
    const copy = (table: string, changes: Readonly<Record<string, string>>) => {
      const columns = db
        .prepare(`SELECT name FROM pragma_table_info('${table}')`)
        .all()
        .map((row) => String(row['name']));
      const values = columns.map((column) => changes[column] ?? `"${column}"`);
      const where = table === 'agents' ? 'id' : 'agent_id';
      return db.prepare(
        `INSERT INTO ${table} (${columns.map((c) => `"${c}"`).join(',')}) SELECT ${values.join(',')} FROM ${table} WHERE ${where} = :from LIMIT 1`,
      );
    };
    const agents = copy('agents', {
      id: ':id',
      vm_id: ':vm',
      hostname: ':host',
      labels: ':labels',
      disconnected_at: ':gone',
      version: ':version',
    });
    const certificates = copy('certificates', {
      agent_id: ':id',
      fingerprint: ':fingerprint',
      serial: ':fingerprint',
    });
    const now = Date.now();
    for (let index = 1; index < MACHINES; index++) {
      const random = Buffer.alloc(10);
      random.writeUInt32BE(index, 6);
      const id = `agt-${encodeUlid(now, random)}`;
      const name = `machine-${String(index).padStart(5, '0')}`;
      const labels = {
        env: index % 3 === 0 ? 'prod' : 'test',
        role: ['web', 'db', 'cache'][index % 3],
        rack: `r${index % 40}`,
      };
      agents.run({
        from: stack.agentId,
        id,
        vm: `vm-${name}-${index.toString(16).padStart(6, '0')}`,
        host: name,
        labels: JSON.stringify(labels),
        gone: index % 50 === 0 ? now + 1 : null,
        version: `1.0.${index % 5}`,
      });
      certificates.run({ from: stack.agentId, id, fingerprint: `bench${index}` });
    }
    db.exec('COMMIT');
  } finally {
    db.close();
  }
}

// What runs in the page is text: the types of a browser are not those of this program.
const PAINTED = `new Promise((resolve) => {
  const look = () => {
    if (document.querySelectorAll('table.agents tbody tr[data-index]').length > 3)
      requestAnimationFrame(() => resolve(performance.now()));
    else requestAnimationFrame(look);
  };
  look();
})`;
const FILTERED = (words: string) => `new Promise((resolve) => {
  const box = document.querySelector('input[type=search]');
  const main = document.getElementById('main');
  const started = performance.now();
  const seen = new MutationObserver(() => {
    if ((main.querySelector('.toolbar [role=status], p.loading')?.textContent ?? '') === '') return;
    seen.disconnect();
    requestAnimationFrame(() => resolve(performance.now() - started));
  });
  seen.observe(document.body, { subtree: true, childList: true, characterData: true });
  box.value = ${JSON.stringify(words)};
  box.dispatchEvent(new Event('input', { bubbles: true }));
})`;

/** From the start of the navigation to the frame in which machines are on the screen (ms). */
async function firstPaint(page: Page, url: string): Promise<number> {
  await page.goto('about:blank');
  await page.goto(`${url}/#/agents`, { waitUntil: 'commit' });
  return page.evaluate<number>(PAINTED);
}

/** From the key to the frame in which the list follows it (ms). */
const filterTime = (page: Page, words: string): Promise<number> => page.evaluate<number>(FILTERED(words));

async function clearFilter(page: Page): Promise<void> {
  await page.getByRole('searchbox').fill('');
  await page.locator('.toolbar [role=status]').waitFor({ state: 'detached' });
}

const row = (name: string, { n, min, median, p95 }: Summary) => ({ name, values: { n, min, median, p95 } });
const atMost = (name: string, value: number, limit: number): Goal => ({
  name,
  value,
  limit,
  bound: 'at most',
  unit: 'ms',
  reached: value <= limit,
});

async function run(options: BenchOptions): Promise<Report> {
  await using stack = await startStack({ cpuProfileDir: options.cpuProfileDir });
  options.progress(`${MACHINES} machines go into the store`);
  fillStore(stack);
  const browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
  try {
    const context = await browser.newContext({
      ignoreHTTPSErrors: true,
      viewport: { width: 1440, height: 900 },
    });
    const page = await context.newPage();
    await page.goto(`${stack.url}/#/agents`);
    await page.getByLabel('User name').fill(stack.login.username);
    await page.getByLabel('Password').fill(stack.login.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText(`of ${MACHINES} machines online`).waitFor();
    const paints: number[] = [];
    for (let round = 0; round < (options.rounds ?? ROUNDS); round++) {
      options.progress(`page, round ${round + 1}`);
      paints.push(await firstPaint(page, stack.url));
    }
    const filters: number[] = [];
    for (let round = 0; round < (options.rounds ?? ROUNDS); round++)
      for (const words of WORDS) {
        filters.push(await filterTime(page, words));
        await clearFilter(page);
      }
    const paint = summarize(paints);
    const filter = summarize(filters);
    return {
      name: 'dashboard',
      title: `The page with ${MACHINES} machines`,
      machine: { ...describeMachine({})(), chromium: browser.version() },
      tables: [
        {
          title: 'milliseconds',
          columns: ['n', 'min', 'median', 'p95'].map((key) => ({
            key,
            label: key,
            digits: key === 'n' ? 0 : 1,
          })),
          rows: [row('first useful paint', paint), row('filter', filter)],
        },
      ],
      goals: [
        atMost('first useful paint, median', paint.median, PAINT_LIMIT_MS),
        atMost('filter, 95th percentile', filter.p95, FILTER_LIMIT_MS),
      ],
      skipped: [],
      notes: [
        'First useful paint: from the start of the navigation until machines stand in the list, over HTTPS, signed in.',
        'Filter: from the key until the frame in which the list shows its result.',
      ],
    };
  } finally {
    await browser.close();
  }
}

export const comparison: Comparison = {
  name: 'dashboard',
  summary: 'the page with 10,000 machines in Chromium: first paint, filter',
  run,
};
