import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { loadServeConfig } from '../../../orchestrator/config.ts';
import { startOrchestrator } from '../../../orchestrator/orchestrator.ts';
import { type Permission, ROLES, type Role } from '../../../protocol/roles.ts';
import { ROOT } from '../../../scripts/lib/root.ts';
import { enroll } from '../support/enroll.ts';
import { type CallOptions, callOrchestrator } from '../support/orchestrator.ts';
import { makeRecording } from '../support/recording.ts';
import type { Who } from './call.ts';
import { MADE, type TenantObjects } from './examples.ts';

const ADMIN_TOKEN = `vmo_${randomBytes(20).toString('hex')}`;
const PASSWORD = 'five random words of a person';

/** An organization with one object of each kind, and somebody of each role. */
export interface Tenant extends TenantObjects {
  name: string;
  tls: { cert: string; key: string };
  /** A session of each role. */
  people: Record<Role, Who>;
  /** Texts that nobody outside may ever read. */
  canaries: readonly string[];
}

export interface World {
  url: string;
  ca: string;
  routes: Awaited<ReturnType<typeof startOrchestrator>>['routes'];
  mine: Tenant;
  other: Tenant;
  /** Credentials that count no more, all of `mine` and once an admin’s. */
  gone: Record<'revoked token' | 'expired token' | 'ended session' | 'disabled user’s session', Who>;
  /** The certificate of an agent of `mine` that was revoked, and its vm_id. */
  goneAgent: Who & { vmId: string };
  systemAdmin: Who;
  /** An admin’s token of `mine` that may do this alone. */
  scoped(scope: Permission): Promise<Who>;
  close(): Promise<void>;
}

type Call = <T>(options: CallOptions) => Promise<T>;

const bearer = (token: string): Who => ({ headers: { authorization: `Bearer ${token}` } });

async function makeTenant(
  call: Call,
  target: { url: string; ca: string; dataDir: string },
  name: string,
): Promise<Tenant> {
  const { dataDir } = target;
  const canary = `${name}-${randomBytes(4).toString('hex')}`;
  const { id } = await call<{ id: string }>({ path: '/api/v1/organizations', body: { name: canary } });
  const org = `/api/v1/organizations/${id}`;
  const orchestrator = { call: (options: CallOptions) => rawCall(target, options) } as never;
  const vmId = `vm-${canary}-${randomBytes(3).toString('hex')}`;
  const machine = await enroll(
    orchestrator,
    { vm_id: vmId, hostname: `host-${canary}`, labels: { site: `label-${canary}` } },
    { org: id, token: ADMIN_TOKEN },
  );
  const job = await call<{ id: string; commands: { id: string }[] }>({
    path: `${org}/jobs`,
    body: { selector: 'all', arguments: { command: `echo ${canary}` }, description: `job ${canary}` },
  });
  const made: Record<string, string> = {};
  for (const [parameter, { path, body }] of Object.entries(MADE)) {
    const object = await call<{ id: string }>({ path: `${org}/${path}`, body: body(canary) });
    made[parameter] = object.id;
  }
  await call({
    path: `${org}/jobs`,
    body: { selector: 'all', arguments: { command: `wait for ${canary}` }, description: '' },
  });
  const waiting = await call<{ items: { id: string }[] }>({ path: `${org}/approvals` });
  const userIds = {} as Record<Role, string>;
  const people = {} as Record<Role, Who>;
  for (const role of ROLES) {
    const username = `${role}-${canary}`;
    const user = await call<{ id: string }>({
      path: '/api/v1/users',
      body: { username, password: PASSWORD, organizations: [{ organization: id, role }] },
    });
    userIds[role] = user.id;
    people[role] = await signIn(target, username);
  }
  const sessions = await call<{ items: { id: string }[] }>({
    path: '/api/v1/sessions',
    token: null,
    headers: people.viewer.headers ?? {},
  });
  return {
    id,
    name: canary,
    agentId: machine.response.agent_id,
    certificate: new X509Certificate(machine.tls.cert).fingerprint256.replaceAll(':', '').toLowerCase(),
    vmId,
    tls: machine.tls,
    jobId: job.id,
    commandId: job.commands[0]?.id ?? '',
    approvalId: waiting.items[0]?.id ?? '',
    recordingId: await makeRecording(dataDir, { id, agentId: machine.response.agent_id, vmId, canary }),
    made,
    userIds,
    sessionId: sessions.items[0]?.id ?? '',
    people,
    canaries: [canary, machine.response.agent_id, job.id, ...Object.values(made), ...Object.values(userIds)],
  };
}

const rawCall = (target: { url: string; ca: string }, options: CallOptions) =>
  callOrchestrator(target, { token: ADMIN_TOKEN, ...options });

async function signIn(target: { url: string; ca: string }, username: string): Promise<Who> {
  const answer = await rawCall(target, {
    path: '/api/v1/session',
    token: null,
    body: { username, password: PASSWORD },
  });
  const cookie = String(answer.headers['set-cookie']).split(';')[0] ?? '';
  return { headers: { cookie, 'sec-fetch-site': 'same-origin' } };
}

/** A real orchestrator in this process, with two tenants, and everybody who might knock. */
export async function startWorld(): Promise<World> {
  const dataDir = await mkdtemp(join(tmpdir(), 'matrix-'));
  let ahead = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + ahead };
  const config = await loadServeConfig(
    {
      data: dataDir,
      listen: '127.0.0.1:0',
      store: 'sqlite',
      bus: 'memory',
      rateLimit: 'off',
      failureLimit: { uses: 100_000, window_s: 1 },
      // Its routes are there; nobody answers at that address.
      oidcIssuer: 'http://127.0.0.1:9',
      oidcClientId: 'matrix',
    },
    { VM_ORCHESTRATOR_API_TOKEN: ADMIN_TOKEN },
  );
  const orchestrator = await startOrchestrator(config, {
    clock,
    random: systemRandom,
    log: silentLogger,
    version: '0.0.0',
    dist: join(ROOT, 'dist'),
  });
  const target = { url: orchestrator.url, ca: await readFile(join(dataDir, 'ca.crt'), 'utf8') };
  const call: Call = async (options) => {
    const answer = await rawCall(target, options);
    if (answer.status < 300) return answer.body as never;
    throw new Error(`${options.path}: ${answer.status} ${answer.text}`);
  };
  const mine = await makeTenant(call, { ...target, dataDir }, 'mine');
  const other = await makeTenant(call, { ...target, dataDir }, 'other');
  const org = `/api/v1/organizations/${mine.id}`;
  const newToken = (body: object) => call<{ id: string; token: string }>({ path: `${org}/api-tokens`, body });

  const expiring = await newToken({ name: 'expiring', ttl_s: 60 });
  ahead = 61_000;
  const revoked = await newToken({ name: 'revoked' });
  await call({ method: 'DELETE', path: `${org}/api-tokens/${revoked.id}` });
  const person = async (username: string) => {
    const { id } = await call<{ id: string }>({
      path: '/api/v1/users',
      body: { username, password: PASSWORD, organizations: [{ organization: mine.id, role: 'admin' }] },
    });
    return { id, who: await signIn(target, username) };
  };
  const left = await person('left');
  await call({
    method: 'DELETE',
    path: '/api/v1/session',
    token: null,
    headers: left.who.headers ?? {},
  });
  const disabled = await person('disabled');
  await call({ method: 'PATCH', path: `/api/v1/users/${disabled.id}`, body: { disabled: true } });
  const machine = await enroll(
    { call: (options: CallOptions) => rawCall(target, options) } as never,
    {},
    {
      org: mine.id,
      token: ADMIN_TOKEN,
    },
  );
  await call({ method: 'DELETE', path: `${org}/agents/${machine.response.agent_id}` });

  return {
    ...target,
    routes: orchestrator.routes,
    mine,
    other,
    gone: {
      'revoked token': bearer(revoked.token),
      'expired token': bearer(expiring.token),
      'ended session': left.who,
      'disabled user’s session': disabled.who,
    },
    goneAgent: { tls: machine.tls, vmId: machine.response.vm_id },
    systemAdmin: bearer(ADMIN_TOKEN),
    scoped: async (scope) => bearer((await newToken({ name: scope, scopes: [scope] })).token),
    async close() {
      await orchestrator.close(AbortSignal.abort());
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
