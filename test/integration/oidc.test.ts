import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Whoami } from '../../protocol/rest-fleet.ts';
import { freePort } from '../fakes/free-port.ts';
import { startOidcProvider, type TestProvider } from './support/oidc-provider.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let provider: TestProvider;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'oidc-'));
  const port = await freePort();
  provider = await startOidcProvider(`https://127.0.0.1:${port}/api/v1/oidc/callback`);
  await writeFile(join(folder, 'secret'), `${provider.clientSecret}\n`);
  await writeFile(
    join(folder, 'oidc.yaml'),
    [
      'client_id: overruled',
      `client_secret_file: ${join(folder, 'secret')}`,
      'name: Example ID',
      'scopes: [openid, profile, groups]',
      'organizations:',
      '  default: {vm-admins: admin, vm-ops: operator, vm-readers: viewer}',
      '  second: {vm-readers: viewer}',
      'system_admin_group: vm-root',
    ].join('\n'),
  );
  orchestrator = await startOrchestrator({
    listen: `127.0.0.1:${port}`,
    args: ['--oidc-config', join(folder, 'oidc.yaml'), '--oidc-issuer', provider.issuer],
    env: { VM_ORCHESTRATOR_OIDC__CLIENT_ID: provider.clientId },
  });
  const second = await orchestrator.call({ path: '/api/v1/organizations', body: { name: 'second' } });
  expect(second.status).toBe(201);
});
afterAll(async () => {
  await orchestrator?.stop();
  await provider?.close();
  await rm(folder, { recursive: true, force: true });
});

const cookieIn = (setCookie: string | string[] | undefined, name: string) =>
  [setCookie ?? []]
    .flat()
    .map((cookie) => cookie.split(';')[0] ?? '')
    .find((cookie) => cookie.startsWith(`${name}=`) && !cookie.endsWith('='));

const get = (path: string, cookie?: string) =>
  orchestrator.call({ path, token: null, headers: cookie === undefined ? {} : { cookie } });

/** As the browser goes to the provider and through it; where it is sent back to. */
async function toProvider(
  change: (asked: URL) => void = () => undefined,
): Promise<{ back: URL; flow: string; asked: URL }> {
  const begun = await get('/api/v1/oidc/login');
  expect(begun.status).toBe(303);
  const flow = cookieIn(begun.headers['set-cookie'], '__Host-vm_oidc') ?? '';
  const asked = new URL(String(begun.headers.location));
  change(asked);
  let url = asked;
  const jar = new Map<string, string>();
  while (url.origin === new URL(provider.issuer).origin) {
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      const at = pair.indexOf('=');
      jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    const location = answer.headers.get('location');
    if (location === null) throw new Error(`the provider stays at ${url}: ${await answer.text()}`);
    url = new URL(location, url);
  }
  return { back: url, flow, asked };
}

const comeBack = (back: URL, flow?: string) => get(back.pathname + back.search, flow);

async function signIn(): Promise<{ who: Whoami; cookie: string }> {
  const { back, flow } = await toProvider();
  const done = await comeBack(back, flow);
  expect([done.status, done.headers.location], orchestrator.log()).toEqual([303, '/']);
  const cookie = cookieIn(done.headers['set-cookie'], '__Host-vm_session') ?? '';
  return { who: (await get('/api/v1/session', cookie)).body as never, cookie };
}

const rolesOf = ({ organizations }: Whoami) =>
  Object.fromEntries(organizations.map(({ name, role }) => [name, role]));

async function expectRefused(answer: Awaited<ReturnType<typeof get>>): Promise<void> {
  expect([answer.status, answer.headers.location]).toEqual([303, '/#/sign-in?failed=refused']);
  expect(cookieIn(answer.headers['set-cookie'], '__Host-vm_session')).toBeUndefined();
}

describe('a login by OpenID Connect', () => {
  it('is offered by its name', async () => {
    expect((await get('/api/v1/sign-in')).body).toEqual({
      password: true,
      oidc: { name: 'Example ID', url: '/api/v1/oidc/login' },
    });
  });

  it('makes a user of who comes the first time, and knows him again by his subject', async () => {
    provider.person = { sub: 'sub-alice', preferred_username: 'alice', name: 'Alice', groups: ['vm-ops'] };
    const first = await signIn();
    expect(first.who).toMatchObject({ actor: { type: 'user', name: 'alice' }, system_admin: false });
    expect(rolesOf(first.who)).toEqual({ default: 'operator' });
    provider.person = { ...provider.person, preferred_username: 'alice.new-name' };
    const again = await signIn();
    expect(again.who.actor).toEqual(first.who.actor);
  });

  it('does not make somebody of the name of a local user', async () => {
    provider.person = { sub: 'sub-false-admin', preferred_username: 'admin', groups: [] };
    const { who } = await signIn();
    expect(who).toMatchObject({ actor: { name: 'admin-2' }, system_admin: false, organizations: [] });
  });

  it('asks with PKCE, a state and a nonce, and is this browser’s alone', async () => {
    const { asked, back, flow } = await toProvider();
    expect(Object.fromEntries(asked.searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      state: expect.stringMatching(/^.{20,}$/),
      nonce: expect.stringMatching(/^.{20,}$/),
    });
    await expectRefused(await comeBack(back));
    await expectRefused(await comeBack(back, `${flow.slice(0, -4)}AAAA`));
  });
});

describe('[oidc-1] a login that is not the one that began here', () => {
  it('is refused with another state', async () => {
    const { back, flow } = await toProvider();
    back.searchParams.set('state', 'of-somebody-else');
    await expectRefused(await comeBack(back, flow));
  });

  it('is refused with the code, state and all of another browser’s login', async () => {
    const victim = await toProvider();
    const attacker = await toProvider();
    await expectRefused(await comeBack(attacker.back, victim.flow));
  });

  it('is refused with another’s code under one’s own state: its nonce and PKCE are not ours', async () => {
    const own = await toProvider();
    const stolen = await toProvider();
    own.back.searchParams.set('code', stolen.back.searchParams.get('code') ?? '');
    await expectRefused(await comeBack(own.back, own.flow));
  });

  it('is refused when the ID token has another nonce', async () => {
    const { back, flow } = await toProvider((asked) => asked.searchParams.set('nonce', 'of-somebody-else'));
    await expectRefused(await comeBack(back, flow));
    expect(orchestrator.log()).toContain('nonce');
  });

  it('is refused when another issuer answers', async () => {
    const { back, flow } = await toProvider();
    back.searchParams.set('iss', 'https://evil.example');
    await expectRefused(await comeBack(back, flow));
  });

  it('does not begin at a provider that calls itself otherwise', async () => {
    const elsewhere = provider.issuer.replace('127.0.0.1', 'localhost');
    const other = await startOrchestrator({
      args: ['--oidc-issuer', elsewhere, '--oidc-client-id', provider.clientId],
    });
    try {
      const begun = await other.call({ path: '/api/v1/oidc/login', token: null });
      expect([begun.status, begun.headers.location]).toEqual([303, '/#/sign-in?failed=provider']);
      expect(other.log()).toContain('issuer');
    } finally {
      await other.stop();
    }
  });

  it('counts once', async () => {
    const { back, flow } = await toProvider();
    expect((await comeBack(back, flow)).headers.location).toBe('/');
    await expectRefused(await comeBack(back, flow));
  });

  it('says in its log why, and no secret', () => {
    expect(orchestrator.log()).toContain('a login by OpenID Connect failed');
    expect(orchestrator.log()).not.toContain(provider.clientSecret);
  });
});

describe('[oidc-2] the groups of the provider', () => {
  const bob = { sub: 'sub-bob', preferred_username: 'bob' };

  it('give the highest of several roles, in each organization', async () => {
    provider.person = { ...bob, groups: ['vm-readers', 'vm-ops', 'something else'] };
    expect(rolesOf((await signIn()).who)).toEqual({ default: 'operator', second: 'viewer' });
  });

  it('take what they gave at the next login, and end the sessions that had it', async () => {
    const before = await signIn();
    provider.person = { ...bob, groups: ['vm-readers'] };
    expect(rolesOf((await signIn()).who)).toEqual({ default: 'viewer', second: 'viewer' });
    expect((await get('/api/v1/session', before.cookie)).status).toBe(401);
    provider.person = { ...bob };
    expect(rolesOf((await signIn()).who)).toEqual({});
  });

  it.each([['vm-admins'], { group: 'vm-admins' }, [['vm-admins']], 7, null])(
    'of a form that is none (%j) give nothing, or what they name',
    async (groups) => {
      provider.person = { ...bob, groups };
      const roles = rolesOf((await signIn()).who);
      expect(roles).toEqual(Array.isArray(groups) && groups[0] === 'vm-admins' ? { default: 'admin' } : {});
    },
  );

  it('leave alone what an admin gave by hand', async () => {
    provider.person = { ...bob, groups: [] };
    const { who } = await signIn();
    const org = '/api/v1/organizations/second/users';
    await orchestrator.call({ path: org, body: { username: 'bob', role: 'approver' } });
    provider.person = { ...bob, groups: ['vm-readers'] };
    expect(rolesOf((await signIn()).who)).toEqual({ default: 'viewer', second: 'approver' });
    const { body } = await orchestrator.call({ path: org });
    expect(body['items']).toMatchObject([{ id: who.actor.id, username: 'bob', source: 'local' }]);
  });

  it('make and unmake administrators of the orchestrator', async () => {
    provider.person = { ...bob, groups: ['vm-root'] };
    expect((await signIn()).who.system_admin).toBe(true);
    provider.person = { ...bob, groups: [] };
    expect((await signIn()).who.system_admin).toBe(false);
  });
});

it('lets who is disabled in no more, and says so', async () => {
  provider.person = { sub: 'sub-eve', preferred_username: 'eve', groups: ['vm-ops'] };
  const { who, cookie } = await signIn();
  const path = `/api/v1/users/${who.actor.id}`;
  await orchestrator.call({ method: 'PATCH', path, body: { disabled: true } });
  expect((await get('/api/v1/session', cookie)).status).toBe(401);
  const { back, flow } = await toProvider();
  expect((await comeBack(back, flow)).headers.location).toBe('/#/sign-in?failed=disabled');
});

it('lets who signs in there use no password here, even if he has one', async () => {
  provider.person = { sub: 'sub-dan', preferred_username: 'dan', groups: ['vm-ops'] };
  const { who } = await signIn();
  const reset = await orchestrator.call<{ password: string }>({
    path: `/api/v1/users/${who.actor.id}/password`,
    body: {},
  });
  const login = (username: string, password: string) =>
    orchestrator.call({ path: '/api/v1/session', token: null, body: { username, password } });
  expect((await login('dan', reset.body.password)).body['code']).toBe('account_disabled');
  expect((await login('admin', orchestrator.credentials.admin_password)).status).toBe(200);
});
