import { afterAll, describe, expect, it } from 'vitest';
import type { Route } from '../../../orchestrator/http/route.ts';
import { PERMISSIONS, type Permission, permissionsOf, ROLES } from '../../../protocol/roles.ts';
import { TERMINAL_SUBPROTOCOL } from '../../../protocol/terminal-codes.ts';
import { callAs, type Reply, type Who } from './call.ts';
import { exampleOf, parametersOf, pathOf, REQUESTS, UPGRADES } from './examples.ts';
import { startWorld, type Tenant } from './world.ts';

// Every route of the real table, with everybody who might knock at it. Nothing here knows the routes: a new one is
// tried as it comes, and fails where it has a path parameter that examples.ts does not know.

const world = await startWorld();
afterAll(() => world.close());

const keyOf = ({ method, path }: Route) => `${method} ${path}`;
const ROUTES = world.routes.map((route) => ({ name: keyOf(route), route }));
const of = (wanted: (route: Route) => boolean) => ROUTES.filter(({ route }) => wanted(route));
const isUser = ({ auth }: Route) => auth === 'user';
const inOrganization = (route: Route) => isUser(route) && route.path.includes('{org}');
const objectsOf = ({ path }: Route) => parametersOf(path).filter((name) => name !== 'organizations/{org}');
const isPermission = (need: Route['needs']): need is Permission =>
  (PERMISSIONS as readonly string[]).includes(String(need));

const example = (tenant: Tenant) => (parameter: string) => exampleOf(parameter, tenant) ?? parameter;
/** Of the right form, and nobody’s. */
const nobodys = (parameter: string) =>
  parameter === 'organizations/{org}'
    ? world.mine.id
    : example(world.mine)(parameter).replace(/.{6}$/, '000000');

async function call(
  who: Who,
  route: Route,
  fill: (parameter: string) => string,
  // GET with a body would be a request of another kind.
  body = REQUESTS[keyOf(route)]?.body ?? (route.body ? {} : undefined),
): Promise<Reply & { sent: string }> {
  const path = pathOf(route.path, fill) + (REQUESTS[keyOf(route)]?.query ?? '');
  const reply = await callAs(world, who, { method: route.method, path, body });
  expect(seen(reply.status, reply.text), reply.text).toBeLessThan(500);
  return { ...reply, sent: `${path} ${JSON.stringify(body)}` };
}

/** An answer may hold what its reader sent, and nothing else that is another tenant’s. */
function expectNothingOf(tenant: Tenant, { text, sent }: { text: string; sent: string }): void {
  expect(tenant.canaries.filter((canary) => text.includes(canary) && !sent.includes(canary))).toEqual([]);
}

/** What lies on a machine cannot be read while that is away, and its owner is told so: he has found it. */
const seen = (status: number, text: string): number =>
  status === 503 && text.includes('"agent_offline"') ? 200 : status;

describe('the table of examples', () => {
  it.each(ROUTES)('knows every path parameter of $name', ({ route }) => {
    expect(
      parametersOf(route.path).filter((parameter) => exampleOf(parameter, world.mine) === undefined),
    ).toEqual([]);
  });

  it.each(of((route) => isUser(route) && objectsOf(route).length > 0))(
    'gets past the schemas of $name',
    ({ route }) => {
      const { body = {}, query = '' } = REQUESTS[keyOf(route)] ?? {};
      expect(route.body?.safeParse(body).error?.issues ?? []).toEqual([]);
      const given = Object.fromEntries(new URLSearchParams(query));
      expect(route.query?.safeParse(given).error?.issues ?? []).toEqual([]);
    },
  );

  it.each(of(isUser))('finds out what $name needs', ({ route }) => {
    expect(route.needs === 'self' || route.needs === 'system' || isPermission(route.needs)).toBe(true);
  });

  it.each(of((route) => inOrganization(route) && route.method === 'GET' && route.needs !== 'system'))(
    'holds objects that exist, as $name shows to their owner',
    async ({ route }) => {
      const { status, text } = await call(world.mine.people.admin, route, example(world.mine));
      if (UPGRADES.has(keyOf(route)))
        expect([status, text]).toEqual([400, expect.stringContaining('WebSocket')]);
      else expect(seen(status, text), text).toBeLessThan(400);
    },
  );
});

describe('[tenancy-1] without credentials that count', () => {
  const strangers: [string, Who][] = [
    ['no credentials', {}],
    ['a made-up token', { headers: { authorization: `Bearer vmo_${'a'.repeat(43)}` } }],
    ['an agent’s certificate', { tls: world.mine.tls }],
    ...Object.entries(world.gone),
  ];
  it.each(strangers.flatMap(([who, credentials]) => of(isUser).map((one) => ({ ...one, who, credentials }))))(
    '$name refuses $who',
    async ({ route, credentials }) => {
      const reply = await call(credentials, route, example(world.mine));
      expect(reply.status, reply.text).toBe(401);
      expectNothingOf(world.mine, reply);
    },
  );

  it.each(of(({ auth }) => auth === 'none'))(
    '$name, open to all, says nothing of a tenant',
    async ({ route }) => {
      const reply = await call({}, route, example(world.mine), route.body ? {} : undefined);
      expectNothingOf(world.mine, reply);
      expectNothingOf(world.other, reply);
    },
  );
});

describe('[tenancy-2] the admin of another organization', () => {
  const { admin } = world.other.people;

  it.each(of(inOrganization))('does not find the organization of $name', async ({ route }) => {
    const reply = await call(admin, route, example(world.mine));
    expect(reply.status, reply.text).toBe(404);
    expectNothingOf(world.mine, reply);
    const byName = await call(admin, route, (parameter) =>
      parameter === 'organizations/{org}' ? world.mine.name : example(world.mine)(parameter),
    );
    expect(byName.status, byName.text).toBe(404);
    expectNothingOf(world.mine, byName);
  });

  it.each(of((route) => isUser(route) && route.needs !== 'system' && objectsOf(route).length > 0))(
    'does not find foreign objects by $name of his own organization',
    async ({ route }) => {
      const reply = await call(admin, route, (parameter) =>
        example(parameter === 'organizations/{org}' ? world.other : world.mine)(parameter),
      );
      expect(reply.status, reply.text).toBe(404);
      expectNothingOf(world.mine, reply);
    },
  );

  it.each(of((route) => isUser(route) && route.method === 'GET'))(
    'reads nothing foreign by $name',
    async ({ route }) => expectNothingOf(world.mine, await call(admin, route, example(world.other))),
  );
});

describe('[tenancy-3] each role', () => {
  const cases = ROLES.flatMap((role) => of(isUser).map((one) => ({ ...one, role })));
  const has = (role: (typeof ROLES)[number], { needs }: Route) =>
    needs === 'self' || (isPermission(needs) && permissionsOf(role).has(needs));

  it.each(cases.filter(({ role, route }) => !has(role, route)))(
    '$role may not $name',
    async ({ role, route }) => {
      const reply = await call(world.mine.people[role], route, example(world.mine));
      expect(reply.status, reply.text).toBe(403);
      expect(reply.text).toContain('"forbidden"');
    },
  );

  // What changes things is asked about nothing that exists; a person’s own account is left alone.
  it.each(
    cases.filter(
      ({ role, route }) =>
        has(role, route) &&
        (route.method === 'GET' || (route.needs !== 'self' && objectsOf(route).length > 0)),
    ),
  )('$role may $name', async ({ role, route }) => {
    const fill = route.method === 'GET' && route.needs !== 'self' ? example(world.mine) : nobodys;
    const reply = await call(world.mine.people[role], route, fill);
    expect([401, 403], reply.text).not.toContain(reply.status);
  });
});

describe('an upgrade asks what its route asks', () => {
  const upgrades = of((route) => UPGRADES.has(keyOf(route)));
  const knock = (who: Who, route: Route) =>
    callAs(world, who, {
      method: route.method,
      path: pathOf(route.path, example(world.mine)),
      upgrade: TERMINAL_SUBPROTOCOL,
    });
  const strangers: [string, Who][] = [['no credentials', {}], ...Object.entries(world.gone)];

  it.each(upgrades.flatMap((one) => strangers.map(([who, credentials]) => ({ ...one, who, credentials }))))(
    '[tenancy-1] $name refuses $who',
    async ({ route, credentials }) => expect((await knock(credentials, route)).status).toBe(401),
  );
  it.each(upgrades)(
    '[tenancy-2] $name is not there for the admin of another organization',
    async ({ route }) => {
      const reply = await knock(world.other.people.admin, route);
      expect(reply.status).toBe(404);
      expect(world.mine.canaries.filter((canary) => reply.text.includes(canary))).toEqual([]);
    },
  );
  it.each(upgrades.flatMap((one) => ROLES.map((role) => ({ ...one, role }))))(
    '[tenancy-3] $name is for the roles that hold its right, and $role may be one',
    async ({ route, role }) => {
      const has = isPermission(route.needs) && permissionsOf(role).has(route.needs);
      expect((await knock(world.mine.people[role], route)).status).toBe(has ? 101 : 403);
    },
  );
});

describe('[tenancy-4] a token with too small scopes', () => {
  const scoped = new Map<Permission, Promise<Who>>();
  const tokenFor = (scope: Permission) => {
    const made = scoped.get(scope) ?? world.scoped(scope);
    scoped.set(scope, made);
    return made;
  };
  it.each(of((route) => isPermission(route.needs)))('may not $name', async ({ route }) => {
    const scope = route.needs === 'agents.read' ? 'jobs.read' : 'agents.read';
    const reply = await call(await tokenFor(scope), route, example(world.mine));
    expect(reply.status, reply.text).toBe(403);
  });
  it.each(of(({ needs }) => needs === 'system'))(
    'may not $name, as no admin of one may',
    async ({ route }) => {
      const reply = await call(await tokenFor('agents.read'), route, example(world.mine));
      expect(reply.status, reply.text).toBe(403);
    },
  );
});

describe('[tenancy-5] what agents alone may ask', () => {
  const others: [string, Who][] = [
    ['nobody', {}],
    ['a person', world.mine.people.admin],
    ['the orchestrator’s administrator', world.systemAdmin],
    ['an agent of another organization', { tls: world.other.tls }],
    ['another agent’s certificate that was revoked', world.goneAgent],
    ...Object.entries(world.gone),
  ];
  it.each(
    others.flatMap(([who, credentials]) =>
      of(({ auth }) => auth === 'agent').map((one) => ({ ...one, who, credentials })),
    ),
  )('$name refuses $who', async ({ route, credentials }) => {
    const reply = await call(credentials, route, example(world.mine));
    expect(reply.status, reply.text).toBe(403);
    expectNothingOf(world.mine, reply);
  });

  it.each(of(({ auth }) => auth === 'agent'))(
    '$name refuses an agent that was revoked',
    async ({ route }) => {
      const reply = await call(world.goneAgent, route, () => world.goneAgent.vmId);
      expect(reply.status, reply.text).toBe(403);
      expect(reply.text).toContain('certificate_revoked');
    },
  );
});
