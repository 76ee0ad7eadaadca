import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Permission } from '../../protocol/roles.ts';
import { createToken } from './support/enroll.ts';
import { ORG } from './support/fleet.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
});
afterAll(() => orchestrator?.stop());

interface List {
  items: { id: string }[];
  next_cursor: string | null;
}

async function tokenWith(...scopes: Permission[]): Promise<string> {
  const made = await orchestrator.call<{ token: string }>({
    path: `${ORG}/api-tokens`,
    body: { name: scopes.join(' '), scopes },
  });
  return made.body.token;
}

/** Makes three of each, so that a page of two has a next one. */
const LISTS: Readonly<Record<string, (n: number) => { path: string; body: unknown } | undefined>> = {
  [`${ORG}/provisioning-tokens`]: (n) => ({
    path: `${ORG}/provisioning-tokens`,
    body: { description: `${n}` },
  }),
  [`${ORG}/api-tokens`]: (n) => ({ path: `${ORG}/api-tokens`, body: { name: `t${n}` } }),
  [`${ORG}/approval-rules`]: (n) => ({
    path: `${ORG}/approval-rules`,
    body: { name: `r${n}`, enabled: false },
  }),
  [`${ORG}/locks`]: (n) => ({
    path: `${ORG}/locks`,
    body: { target_type: 'tool', target: `no_tool_${n}`, reason: 'paging' },
  }),
  [`${ORG}/schedules`]: (n) => ({
    path: `${ORG}/schedules`,
    body: {
      name: `s${n}`,
      cron: '@daily',
      enabled: false,
      job: { selector: 'all', arguments: { command: 'true' } },
    },
  }),
  [`${ORG}/saved-commands`]: (n) => ({
    path: `${ORG}/saved-commands`,
    body: { name: `c${n}`, command: 'true' },
  }),
  '/api/v1/organizations': (n) => ({ path: '/api/v1/organizations', body: { name: `page-${n}` } }),
  [`${ORG}/users`]: (n) => ({
    path: '/api/v1/users',
    body: { username: `u${n}`, organizations: [{ organization: 'default', role: 'viewer' }] },
  }),
  // What was made above is in these.
  '/api/v1/users': () => undefined,
  [`${ORG}/audit`]: () => undefined,
};

describe('lists', () => {
  it.each(Object.entries(LISTS))('[rest-4] come page by page, each item once: %s', async (path, make) => {
    for (const n of [1, 2, 3]) {
      const wanted = make(n);
      if (wanted === undefined) continue;
      const made = await orchestrator.call(wanted);
      expect(made.status, made.text).toBe(201);
    }
    const whole = await orchestrator.call<List>({ path: `${path}?limit=500` });
    expect(whole.body.next_cursor).toBeNull();
    expect(whole.body.items.length).toBeGreaterThan(2);
    const ids: string[] = [];
    let next: string | null = '';
    while (next !== null) {
      const cursor: string = next === '' ? '' : `&cursor=${encodeURIComponent(next)}`;
      const page: { status: number; body: List } = await orchestrator.call<List>({
        path: `${path}?limit=2${cursor}`,
      });
      expect(page.status).toBe(200);
      ids.push(...page.body.items.map(({ id }) => id));
      next = page.body.next_cursor;
    }
    expect(ids).toEqual(whole.body.items.map(({ id }) => id));
  });

  it('refuses a cursor of another list with a sentence', async () => {
    const cursor = Buffer.from('usr-1').toString('base64url');
    const answer = await orchestrator.call({ path: `${ORG}/provisioning-tokens?cursor=${cursor}` });
    expect(answer).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  });
});

describe('what runs later', () => {
  const job = (tool: string) => ({
    name: `by-${tool.replaceAll('_', '-')}`,
    cron: '@daily',
    enabled: false,
    job: {
      selector: 'all',
      tool,
      arguments: tool === 'read_file' ? { file_path: '/etc/hostname' } : { command: 'id' },
    },
  });

  it('[rest-5] needs the right of what it does: schedules', async () => {
    const token = await tokenWith('schedules.read', 'schedules.write', 'files.read');
    const path = `${ORG}/schedules`;
    expect(await orchestrator.call({ path, token, body: job('execute_shell_command') })).toMatchObject({
      status: 403,
      body: { code: 'forbidden', detail: expect.stringContaining('jobs.run') },
    });
    const script = { ...job('read_file'), job: { selector: 'all', script: { body: 'id' } } };
    expect((await orchestrator.call({ path, token, body: script })).status).toBe(403);
    const upgrade = { ...job('read_file'), job: { selector: 'all', upgrade: { version: '9.9.9' } } };
    expect((await orchestrator.call({ path, token, body: upgrade })).status).toBe(403);
    const made = await orchestrator.call({ path, token, body: job('read_file') });
    expect(made.status, made.text).toBe(201);

    // It may not be turned into something else, nor may what others made be changed; to stop and remove it is allowed.
    const shell = await orchestrator.call({ path, body: job('execute_shell_command') });
    const patch = (body: unknown) =>
      orchestrator.call({ method: 'PATCH', path: `${path}/by-execute-shell-command`, token, body });
    expect(shell.status).toBe(201);
    expect((await patch({ cron: '@hourly' })).status).toBe(403);
    expect((await patch({ job: job('read_file').job })).status).toBe(403);
    expect((await patch({ enabled: true })).status).toBe(403);
    expect((await patch({ enabled: false })).status).toBe(200);
    const removed = await orchestrator.call({
      method: 'DELETE',
      path: `${path}/by-execute-shell-command`,
      token,
    });
    expect(removed.status).toBe(204);
  });

  it('[rest-5] needs the right of what it does: saved commands', async () => {
    const token = await tokenWith('schedules.read', 'schedules.write');
    const body = { name: 'mine', command: 'id' };
    expect((await orchestrator.call({ path: `${ORG}/saved-commands`, token, body })).status).toBe(403);
    const change = { method: 'PATCH', path: `${ORG}/saved-commands/c1`, token, body: { command: 'reboot' } };
    expect((await orchestrator.call(change)).status).toBe(403);
  });

  it('is no terminal', async () => {
    for (const path of ['schedules', 'jobs']) {
      const body = path === 'jobs' ? job('open_terminal').job : job('open_terminal');
      expect(await orchestrator.call({ path: `${ORG}/${path}`, body })).toMatchObject({
        status: 400,
        body: { detail: expect.stringContaining('terminal is no job') },
      });
    }
  });
});

describe('limits', () => {
  it('[rest-6] are told with 429, Retry-After and a problem', async () => {
    const limited = await startOrchestrator({ args: ['--rate-limit', '3/1h'] });
    try {
      await createToken(limited);
      const answers = [];
      for (let n = 0; n < 4; n++) answers.push(await limited.call({ path: `${ORG}/jobs` }));
      const last = answers.at(-1);
      expect(last?.status).toBe(429);
      expect(last?.headers['content-type']).toBe('application/problem+json');
      expect(Number(last?.headers['retry-after'])).toBeGreaterThan(0);
      expect(last?.body).toMatchObject({ code: 'rate_limited', hint: expect.any(String) });
    } finally {
      await limited.stop();
    }
  });
});
