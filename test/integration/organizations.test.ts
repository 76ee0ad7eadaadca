import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enroll } from './support/enroll.ts';
import { type Answer, type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
const org = '/api/v1/organizations/default';
beforeAll(async () => {
  orchestrator = await startOrchestrator();
});
afterAll(() => orchestrator.stop());

const code = ({ body }: Answer) => body['code'];

describe('an organization', () => {
  const named = (name: string) =>
    orchestrator.call<{ id: string }>({ path: '/api/v1/organizations', body: { name } });

  it('is renamed, and found by its new name', async () => {
    const { body } = await named('before');
    const path = `/api/v1/organizations/${body.id}`;
    expect((await orchestrator.call({ method: 'PATCH', path, body: { name: 'default' } })).status).toBe(409);
    expect((await orchestrator.call({ method: 'PATCH', path, body: { name: 'after' } })).status).toBe(200);
    expect((await orchestrator.call({ path: '/api/v1/organizations/after' })).body['id']).toBe(body.id);
    expect((await orchestrator.call({ path: '/api/v1/organizations/before' })).status).toBe(404);
  });

  it('called default keeps its name and stays', async () => {
    expect((await orchestrator.call({ method: 'PATCH', path: org, body: { name: 'x' } })).status).toBe(409);
    expect((await orchestrator.call({ method: 'DELETE', path: org })).status).toBe(409);
  });

  it('with agents is deleted only when they may end with it; then nothing of it counts', async () => {
    const { body } = await named('short-lived');
    const machine = await enroll(
      orchestrator,
      {},
      { org: 'short-lived', token: orchestrator.credentials.api_token },
    );
    const path = `/api/v1/organizations/${body.id}`;
    const token = await orchestrator.call<{ token: string }>({
      path: `${path}/api-tokens`,
      body: { name: 'a' },
    });
    const refused = await orchestrator.call({ method: 'DELETE', path });
    expect([refused.status, code(refused)]).toEqual([409, 'conflict']);
    expect(refused.body['detail']).toContain('1 agent');
    expect((await orchestrator.call({ method: 'DELETE', path: `${path}?revoke_agents=true` })).status).toBe(
      204,
    );
    expect((await orchestrator.call({ path })).status).toBe(404);
    expect((await orchestrator.call({ path: '/api/v1/session', token: token.body.token })).status).toBe(401);
    const status = `/api/v1/agents/${machine.response.vm_id}/status`;
    expect(code(await orchestrator.call({ path: status, token: null, ...machine.tls }))).toBe(
      'certificate_revoked',
    );
    expect((await named('short-lived')).status).toBe(201);
  });
});

it('says who enrolled with a provisioning token, and shows the ways to use it once', async () => {
  const machine = await enroll(orchestrator);
  const { body } = await orchestrator.call<{ items: { id: string; used: number }[] }>({
    path: `${org}/provisioning-tokens`,
  });
  const [used] = body.items.filter((token) => token.used === 1);
  const who = await orchestrator.call({ path: `${org}/provisioning-tokens/${used?.id}/agents` });
  expect(who.body['items']).toMatchObject([
    { agent_id: machine.response.agent_id, vm_id: machine.response.vm_id, hostname: 'test', state: 'active' },
  ]);
  const made = await orchestrator.call<Record<string, string>>({
    path: `${org}/provisioning-tokens`,
    body: {},
  });
  for (const way of ['one_liner', 'user_data', 'pulumi'])
    expect(made.body[way], way).toContain(made.body['token']);
  expect(made.body['user_data']).toMatch(/^#cloud-config\n/);
});

it('[rate-1] turns away who asks too often, tells him when to come back, and no one else', async () => {
  const limited = await startOrchestrator({ args: ['--rate-limit', '5/10m'] });
  try {
    const ask = (token: string) => limited.call({ path: '/api/v1/session', token });
    const { body } = await limited.call<{ token: string }>({
      path: '/api/v1/organizations/default/api-tokens',
      body: { name: 'other' },
    });
    for (let n = 1; n < 5; n++) expect((await ask(limited.credentials.api_token)).status).toBe(200);
    const refused = await ask(limited.credentials.api_token);
    expect([refused.status, code(refused)]).toEqual([429, 'rate_limited']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(refused.headers['content-type']).toBe('application/problem+json');
    expect((await ask(body.token)).status).toBe(200);
    expect((await limited.call({ path: '/healthz', token: null })).status).toBe(200);
  } finally {
    await limited.stop();
  }
});

it('looks at no more wrong credentials from an address than allowed, and at right ones always', async () => {
  const strict = await startOrchestrator({ args: ['--failure-limit', '3/10m'] });
  try {
    const ask = (token: string) => strict.call({ path: '/api/v1/session', token });
    for (let n = 0; n < 3; n++) expect((await ask('vmo_wrong')).status).toBe(401);
    const forged = await strict.call({
      path: '/api/v1/session',
      token: 'vmo_wrong',
      headers: { 'x-forwarded-for': '192.0.2.7' },
    });
    expect([forged.status, Number(forged.headers['retry-after']) > 0]).toEqual([429, true]);
    expect((await ask(strict.credentials.api_token)).status).toBe(200);
  } finally {
    await strict.stop();
  }
});
