import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Permission, Role } from '../../protocol/roles.ts';
import { AGENT_SNI } from '../../protocol/version.ts';
import { enroll } from './support/enroll.ts';
import { type Answer, type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let org: string;
const PASSWORD = 'some words that nobody guesses';
beforeAll(async () => {
  orchestrator = await startOrchestrator();
  org = '/api/v1/organizations/default';
});
afterAll(() => orchestrator.stop());

let count = 0;
async function person(role?: Role): Promise<{ id: string; username: string }> {
  count += 1;
  const username = `person${count}`;
  const answer = await orchestrator.call<{ id: string }>({
    path: '/api/v1/users',
    body: {
      username,
      password: PASSWORD,
      ...(role === undefined ? {} : { organizations: [{ organization: 'default', role }] }),
    },
  });
  expect(answer.status, answer.text).toBe(201);
  return { id: answer.body.id, username };
}

type Browser = (call: { method?: string; path: string; body?: unknown }) => Promise<Answer>;

/** Keeps its cookie as a browser does. */
async function browserOf(username: string, password = PASSWORD): Promise<Browser & { cookie(): string }> {
  let cookie = '';
  const call = async (options: { method?: string; path: string; body?: unknown }) => {
    const answer = await orchestrator.call({
      ...options,
      token: null,
      headers: { 'sec-fetch-site': 'same-origin', ...(cookie === '' ? {} : { cookie }) },
    });
    for (const set of answer.headers['set-cookie'] ?? []) cookie = set.split(';')[0] ?? '';
    return answer;
  };
  const login = await call({ path: '/api/v1/session', body: { username, password } });
  expect(login.status, login.text).toBe(200);
  return Object.assign(call, { cookie: () => cookie });
}

const whoami = (browser: Browser) => browser({ path: '/api/v1/session' });
const code = ({ body }: Answer) => body['code'];

describe('a password', () => {
  it.each([
    ['too short', 'fourteen chars', /14 characters; at least 15/],
    ['one character again and again', 'aaaaaaaaaaaaaaaaaaaa', /repeats/],
    ['the user name and a word', 'person-x-password-admin', /user name or of words/],
  ])('that is %s is refused, with what to do', async (_, password, detail) => {
    const answer = await orchestrator.call({
      path: '/api/v1/users',
      body: { username: 'person-x', password },
    });
    expect([answer.status, code(answer)]).toEqual([400, 'password_refused']);
    expect(answer.body['detail']).toMatch(detail);
    expect(answer.body['hint']).toContain('at least 15 characters');
    expect(answer.text).not.toContain(password);
  });

  it('is changed by its owner, who must know it, and ends his other sessions', async () => {
    const { username } = await person('viewer');
    const [here, there] = [await browserOf(username), await browserOf(username)];
    const path = '/api/v1/session/password';
    const next = 'other words that nobody guesses';
    const wrong = await here({ path, body: { current_password: 'wrong', new_password: next } });
    expect(code(wrong)).toBe('login_failed');
    const done = await here({ path, body: { current_password: PASSWORD, new_password: next } });
    expect([done.status, done.body]).toEqual([200, { sessions_ended: 1 }]);
    expect((await whoami(there)).status).toBe(401);
    const before = here.cookie();
    expect((await whoami(here)).status).toBe(200);
    expect(here.cookie()).not.toBe(before);
    await browserOf(username, next);
  });

  it('that an administrator resets is shown once, and ends all sessions', async () => {
    const { id, username } = await person('viewer');
    const browser = await browserOf(username);
    const reset = await orchestrator.call<{ password: string; sessions_ended: number }>({
      path: `/api/v1/users/${id}/password`,
      body: {},
    });
    expect(reset.body).toEqual({ password: expect.stringMatching(/^[a-z0-9]{24}$/), sessions_ended: 1 });
    expect((await whoami(browser)).status).toBe(401);
    await browserOf(username, reset.body.password);
  });
});

describe('[session-1] a session', () => {
  it('is listed where one is signed in, and ended from elsewhere', async () => {
    const { username } = await person('viewer');
    const [here, there] = [await browserOf(username), await browserOf(username)];
    const list = await here({ path: '/api/v1/sessions' });
    const items = list.body['items'] as { id: string; current: boolean; method: string; address: string }[];
    expect(items).toHaveLength(2);
    const other = items.find(({ current }) => !current);
    expect(other).toMatchObject({ method: 'password', address: '127.0.0.1' });
    expect((await here({ method: 'DELETE', path: `/api/v1/sessions/${other?.id}` })).status).toBe(204);
    expect((await whoami(there)).status).toBe(401);
    await browserOf(username);
    expect((await here({ method: 'DELETE', path: '/api/v1/sessions' })).body).toEqual({ sessions_ended: 1 });
  });

  it.each<[string, (id: string) => Promise<Answer>]>([
    [
      'another role',
      (id) => orchestrator.call({ method: 'PATCH', path: `${org}/users/${id}`, body: { role: 'operator' } }),
    ],
    ['no role any more', (id) => orchestrator.call({ method: 'DELETE', path: `${org}/users/${id}` })],
    [
      'a disabled account',
      (id) => orchestrator.call({ method: 'PATCH', path: `/api/v1/users/${id}`, body: { disabled: true } }),
    ],
  ])('ends with %s', async (_, change) => {
    const { id, username } = await person('viewer');
    const browser = await browserOf(username);
    expect((await change(id)).status).toBeLessThan(300);
    expect((await whoami(browser)).status).toBe(401);
  });

  it('does not outlive the one that comes after it in the same browser', async () => {
    const { username } = await person('viewer');
    const first = await browserOf(username);
    const cookie = first.cookie();
    await first({ path: '/api/v1/session', body: { username, password: PASSWORD } });
    expect(first.cookie()).not.toBe(cookie);
    const old = await orchestrator.call({ path: '/api/v1/session', token: null, headers: { cookie } });
    expect(old.status).toBe(401);
  });

  it('of who is disabled does not begin, which is told to who knows the password alone', async () => {
    const { id, username } = await person('viewer');
    await orchestrator.call({ method: 'PATCH', path: `/api/v1/users/${id}`, body: { disabled: true } });
    const login = (password: string) =>
      orchestrator.call({ path: '/api/v1/session', token: null, body: { username, password } });
    expect(code(await login(PASSWORD))).toBe('account_disabled');
    expect(code(await login('wrong'))).toBe('login_failed');
  });
});

/** Resolves with what ended it, once the first bytes have come. */
async function follow(headers: Record<string, string>): Promise<{ ended: Promise<unknown> }> {
  await enroll(orchestrator);
  const job = await orchestrator.call<{ id: string }>({
    path: `${org}/jobs`,
    body: { selector: 'all', arguments: { command: 'true' } },
  });
  const request = httpsRequest(new URL(`${org}/jobs/${job.body.id}/events`, orchestrator.url), {
    ca: orchestrator.ca,
    servername: AGENT_SNI,
    agent: false,
    headers,
  });
  request.end();
  const [response] = await once(request, 'response');
  expect(response.statusCode).toBe(200);
  await once(response, 'readable');
  response.resume();
  return { ended: once(response, 'close') };
}

describe('[session-2] an open stream', () => {
  it.each<[string, (id: string, browser: Browser) => Promise<Answer>]>([
    ['logging out', (_, browser) => browser({ method: 'DELETE', path: '/api/v1/session' })],
    [
      'another role',
      (id) => orchestrator.call({ method: 'PATCH', path: `${org}/users/${id}`, body: { role: 'approver' } }),
    ],
    [
      'a disabled account',
      (id) => orchestrator.call({ method: 'PATCH', path: `/api/v1/users/${id}`, body: { disabled: true } }),
    ],
  ])('ends with %s', async (_, change) => {
    const { id, username } = await person('viewer');
    const browser = await browserOf(username);
    const { ended } = await follow({ cookie: browser.cookie() });
    expect((await change(id, browser)).status).toBeLessThan(300);
    await ended;
  });

  it('ends with its API token', async () => {
    const made = await orchestrator.call<{ id: string; token: string }>({
      path: `${org}/api-tokens`,
      body: { name: 'reader', role: 'viewer' },
    });
    const { ended } = await follow({ authorization: `Bearer ${made.body.token}` });
    await orchestrator.call({ method: 'DELETE', path: `${org}/api-tokens/${made.body.id}` });
    await ended;
  });
});

describe('[tenancy-8] an API token that a person made', () => {
  const user = (id: string) => `${org}/users/${id}`;
  async function tokenOf(role: Role, wanted: object) {
    const { id, username } = await person(role);
    const browser = await browserOf(username);
    const made = await browser({ path: `${org}/api-tokens`, body: { name: 'his', ...wanted } });
    expect(made.status, made.text).toBe(201);
    const token = String(made.body['token']);
    const use = (path: string, body?: unknown) => orchestrator.call({ path, token, body });
    return { id, username, token, use };
  }

  it('allows no more than his role by now, and again as much when he has it again', async () => {
    const { id, use } = await tokenOf('admin', { role: 'approver' });
    const approve = () => use(`${org}/approvals/apv-00000000-0000-7000-8000-000000000000/deny`, {});
    expect((await approve()).status).not.toBe(403);
    const change = (role: Role) => orchestrator.call({ method: 'PATCH', path: user(id), body: { role } });
    await change('operator');
    expect((await approve()).status).toBe(403);
    expect((await use(`${org}/agents`)).status).toBe(200);
    await change('admin');
    expect((await approve()).status).not.toBe(403);
    expect((await use(`${org}/users`)).status).toBe(403);
  });

  it.each([
    [
      'left the organization',
      (id: string) => orchestrator.call({ method: 'DELETE', path: user(id) }),
      /not in this organization/,
    ],
    [
      'is disabled',
      (id: string) =>
        orchestrator.call({ method: 'PATCH', path: `/api/v1/users/${id}`, body: { disabled: true } }),
      /is disabled/,
    ],
  ])('is refused once he %s, and what is open with it ends', async (_, change, why) => {
    const { id, username, token, use } = await tokenOf('admin', { role: 'admin' });
    const { ended } = await follow({ authorization: `Bearer ${token}` });
    expect((await change(id)).status).toBeLessThan(300);
    const refused = await use(`${org}/agents`);
    expect([refused.status, code(refused)]).toEqual([401, 'unauthenticated']);
    expect(refused.body['detail']).toMatch(why);
    expect(refused.body['detail']).toContain(username);
    await ended;
  });

  it('is made by himself without a right to make others, ends, and is his to revoke', async () => {
    const { username } = await person('operator');
    const browser = await browserOf(username);
    const path = '/api/v1/account/api-tokens';
    const make = (body: object) => browser({ path, body: { organization: 'default', name: 'cli', ...body } });
    expect((await make({ role: 'approver' })).status).toBe(403);
    const made = await make({});
    expect(made.status, made.text).toBe(201);
    expect(made.body).toMatchObject({
      role: 'operator',
      system_admin: false,
      expires_at: expect.any(String),
    });
    const token = String(made.body['token']);
    expect((await orchestrator.call({ path: `${org}/agents`, token })).status).toBe(200);
    // A token makes no other one.
    expect(
      (await orchestrator.call({ path, token, body: { organization: 'default', name: 'x' } })).status,
    ).toBe(403);
    const list = await browser({ path });
    expect(list.body['items']).toHaveLength(1);
    expect(list.text).not.toContain(token);
    const one = `${path}/${made.body['id']}`;
    const other = await browserOf((await person('admin')).username);
    expect((await other({ method: 'DELETE', path: one })).status).toBe(404);
    expect((await browser({ method: 'DELETE', path: one })).status).toBe(204);
    expect((await orchestrator.call({ path: `${org}/agents`, token })).status).toBe(401);
  });

  it('rules the whole orchestrator only while he does', async () => {
    const { id, username } = await person('viewer');
    const rule = (system_admin: boolean) =>
      orchestrator.call({ method: 'PATCH', path: `/api/v1/users/${id}`, body: { system_admin } });
    await rule(true);
    const browser = await browserOf(username);
    const made = await browser({ path: `${org}/api-tokens`, body: { name: 'all', system_admin: true } });
    const token = String(made.body['token']);
    expect((await orchestrator.call({ path: '/api/v1/users', token })).status).toBe(200);
    await rule(false);
    expect((await orchestrator.call({ path: '/api/v1/users', token })).status).toBe(403);
    expect((await orchestrator.call({ path: `${org}/users`, token })).status).toBe(403);
    expect((await orchestrator.call({ path: `${org}/agents`, token })).status).toBe(200);
  });
});

describe('[tenancy-7] who grants', () => {
  const tokenWith = async (body: object) =>
    (
      await orchestrator.call<{ token: string }>({
        path: `${org}/api-tokens`,
        body: { name: 'granter', ...body },
      })
    ).body.token;
  const some: Permission[] = ['users.read', 'users.write', 'api_tokens.write', 'agents.read'];

  it('makes no API token that may more than he', async () => {
    const token = await tokenWith({ scopes: some });
    const make = (body: object) =>
      orchestrator.call({ path: `${org}/api-tokens`, token, body: { name: 'made', ...body } });
    const more = await make({ role: 'admin' });
    expect([more.status, code(more)]).toEqual([403, 'forbidden']);
    expect(more.body['detail']).toContain('jobs.run');
    expect((await make({ role: 'viewer' })).status).toBe(403);
    expect((await make({ role: 'admin', scopes: ['agents.read'] })).status).toBe(201);
    expect((await make({ role: 'viewer', scopes: ['agents.read', 'audit.write'] })).status).toBe(201);
  });

  it('gives no role that may more than he, and takes none', async () => {
    const token = await tokenWith({ scopes: some });
    const { id, username } = await person();
    const add = (role: Role) => orchestrator.call({ path: `${org}/users`, token, body: { username, role } });
    expect((await add('viewer')).status).toBe(403);
    await orchestrator.call({ path: `${org}/users`, body: { username, role: 'operator' } });
    const one = `${org}/users/${id}`;
    const change = await orchestrator.call({ method: 'PATCH', path: one, token, body: { role: 'viewer' } });
    expect(change.status).toBe(403);
    expect((await orchestrator.call({ method: 'DELETE', path: one, token })).status).toBe(403);
  });

  it('makes no token of the whole orchestrator, unless he rules it', async () => {
    const token = await tokenWith({});
    const body = { name: 'all', system_admin: true };
    expect((await orchestrator.call({ path: `${org}/api-tokens`, token, body })).status).toBe(403);
    const made = await orchestrator.call<{ id: string; token: string }>({ path: `${org}/api-tokens`, body });
    expect(made.body).toMatchObject({ system_admin: true, scopes: null, expires_at: null });
    expect((await orchestrator.call({ path: '/api/v1/users', token: made.body.token })).status).toBe(200);
    const one = `${org}/api-tokens/${made.body.id}`;
    expect((await orchestrator.call({ method: 'DELETE', path: one, token })).status).toBe(403);
    const scoped = await orchestrator.call({ path: `${org}/api-tokens`, body: { ...body, scopes: some } });
    expect(scoped.status).toBe(400);
  });

  it('leaves an organization its last admin, and the orchestrator its own', async () => {
    const made = await orchestrator.call<{ id: string }>({
      path: '/api/v1/organizations',
      body: { name: 'one' },
    });
    const alone = await person();
    await orchestrator.call({
      path: '/api/v1/organizations/one/users',
      body: { username: alone.username, role: 'admin' },
    });
    const browser = await browserOf(alone.username);
    const own = `/api/v1/organizations/${made.body.id}/users/${alone.id}`;
    const down = await browser({ method: 'PATCH', path: own, body: { role: 'viewer' } });
    expect([down.status, code(down)]).toEqual([409, 'conflict']);
    const { body } = await orchestrator.call<{ items: { id: string; username: string }[] }>({
      path: '/api/v1/users',
    });
    const admin = body.items.find(({ username }) => username === 'admin');
    const path = `/api/v1/users/${admin?.id}`;
    const disable = await orchestrator.call({ method: 'PATCH', path, body: { disabled: true } });
    expect(disable.status).toBe(409);
  });
});
