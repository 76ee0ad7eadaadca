import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditListSchema } from '../../protocol/rest-audit.ts';
import { agentListSchema, tokenListSchema } from '../../protocol/rest-fleet.ts';
import { registerResponseSchema, renewResponseSchema } from '../../protocol/rest-registration.ts';
import { createToken, enroll, newVmId, register, registration } from './support/enroll.ts';
import { makeCsr } from './support/machine-key.ts';
import { callOrchestrator, type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
});
afterAll(async () => {
  expect(await orchestrator.stop()).toBe(0);
});

const tokenNow = async (id: string) => {
  const answer = await orchestrator.call({ path: '/api/v1/organizations/default/provisioning-tokens' });
  return tokenListSchema.parse(answer.body).items.find((token) => token.id === id);
};
const actions = async () => {
  const answer = await orchestrator.call({ path: '/api/v1/organizations/default/audit?limit=500' });
  return auditListSchema.parse(answer.body).items;
};

describe('a registration', () => {
  it('gives the machine a certificate that openssl verifies, with nothing of what its CSR asked for [identity-1]', async () => {
    const { token } = await createToken(orchestrator, { labels: { env: 'prod' } });
    const key = await makeCsr();
    const body = registration(token, key.csr, { labels: { env: 'claimed', rack: 'r1' } });
    const answer = await register(orchestrator, body);
    expect(answer.status).toBe(201);
    const response = registerResponseSchema.parse(answer.body);
    const folder = await mkdtemp(join(tmpdir(), 'chain-'));
    try {
      await writeFile(join(folder, 'ca.crt'), response.ca_certificate);
      await writeFile(join(folder, 'vm_agent.crt'), response.certificate);
      const args = ['verify', '-CAfile', join(folder, 'ca.crt'), join(folder, 'vm_agent.crt')];
      expect((await promisify(execFile)('openssl', args)).stdout).toContain('vm_agent.crt: OK');
    } finally {
      await rm(folder, { recursive: true });
    }
    const leaf = new X509Certificate(response.certificate);
    expect(leaf.ca).toBe(false);
    expect(leaf.subject).toBe(`O=${response.organization_id}\nCN=${response.agent_id}`);
    expect(leaf.subjectAltName?.split(', ')).toEqual([
      `URI:spiffe://${response.trust_domain}/org/${response.organization_id}/agent/${response.agent_id}`,
      `DNS:${response.agent_id}.agent.internal`,
      'DNS:localhost',
      'IP Address:127.0.0.1',
      'IP Address:0:0:0:0:0:0:0:1',
    ]);
    expect(response.websocket_url).toBe(
      `${orchestrator.url.replace('https', 'wss')}/api/v1/agents/${response.vm_id}/ws`,
    );
    const agent = await orchestrator.call({
      path: `/api/v1/organizations/default/agents/${response.vm_id}`,
    });
    expect(agent.body).toMatchObject({
      agent_id: response.agent_id,
      online: false,
      labels: { env: 'prod' },
      reported_labels: { env: 'claimed', rack: 'r1' },
    });
  });

  it('answers the same key with the same certificate and counts no further use [enroll-3]', async () => {
    const { id, token } = await createToken(orchestrator);
    const body = registration(token, (await makeCsr()).csr);
    const first = await register(orchestrator, body);
    const again = await register(orchestrator, body);
    expect([first.status, again.status]).toEqual([201, 200]);
    expect(again.body.certificate).toBe(first.body.certificate);
    expect(again.body.agent_id).toBe(first.body.agent_id);
    expect(await tokenNow(id)).toMatchObject({ used: 1, uses: 1 });
  });

  it('refuses another key on a spent token and raises an alarm', async () => {
    const { id, token } = await createToken(orchestrator);
    await register(orchestrator, registration(token, (await makeCsr()).csr));
    const thief = await register(orchestrator, registration(token, (await makeCsr()).csr));
    expect(thief.status).toBe(409);
    expect(thief.body.code).toBe('token_used');
    expect(thief.headers['content-type']).toContain('application/problem+json');
    const alarm = (await actions()).find(
      (event) => event.action === 'token.reuse_refused' && event.target === id,
    );
    expect(alarm?.detail).toMatchObject({ alarm: true });
  });

  it('lets exactly one of 200 machines use a token at once, and answers that one again [enroll-2]', async () => {
    const { id, token } = await createToken(orchestrator);
    const bodies = await Promise.all(
      Array.from({ length: 200 }, async () => registration(token, (await makeCsr()).csr)),
    );
    const answers = await Promise.all(bodies.map((body) => register(orchestrator, body)));
    const statuses = Map.groupBy(answers, (answer) => answer.status);
    expect(statuses.get(201)).toHaveLength(1);
    expect(statuses.get(409)).toHaveLength(199);
    const winner = answers.findIndex((answer) => answer.status === 201);
    const again = await register(orchestrator, bodies[winner]);
    expect(again.status).toBe(200);
    expect(again.body.certificate).toBe(answers[winner]?.body.certificate);
    expect(await tokenNow(id)).toMatchObject({ used: 1 });
  });

  it('takes the deprecated field csr and says so', async () => {
    const { token } = await createToken(orchestrator);
    const { csr } = await makeCsr();
    const { csr_base64: _, ...body } = registration(token, csr);
    const answer = await register(orchestrator, { ...body, csr });
    expect(answer.status).toBe(201);
    expect(answer.headers['deprecation']).toBe('true');
  });

  it('takes a CSR in DER', async () => {
    const { token } = await createToken(orchestrator);
    const { csr } = await makeCsr();
    const der = csr.replace(/-----[^-]+-----|\s/g, '');
    const answer = await register(orchestrator, registration(token, csr, { csr_base64: der }));
    expect(answer.status).toBe(201);
  });

  it.each([
    ['is no CSR', async () => 'hello'],
    ['is broken', async () => (await makeCsr()).csr.replace(/[A-Z]{4}/g, 'AAAA')],
    [
      'has a P-384 key',
      async () => (await makeCsr({ name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' })).csr,
    ],
    ['is signed by another key', () => forgedCsr()],
    ['names the algorithm of its key by no identifier', () => unreadableKey()],
  ])('refuses a CSR that %s and leaves the token unspent', async (_, make) => {
    const { id, token } = await createToken(orchestrator);
    const answer = await register(orchestrator, registration(token, await make()));
    expect(answer.status).toBe(400);
    expect(answer.body.code).toBe('invalid_csr');
    expect(await tokenNow(id)).toMatchObject({ used: 0 });
  });

  it('refuses a vm_id that another key has, without spending the token', async () => {
    const vmId = newVmId();
    await enroll(orchestrator, { vm_id: vmId });
    const { id, token } = await createToken(orchestrator);
    const answer = await register(orchestrator, registration(token, (await makeCsr()).csr, { vm_id: vmId }));
    expect(answer.status).toBe(409);
    expect(answer.body.code).toBe('vm_id_taken');
    expect(await tokenNow(id)).toMatchObject({ used: 0 });
  });

  it('keeps a machine that comes with the same key and a new token', async () => {
    const { token: first } = await createToken(orchestrator);
    const { token: second } = await createToken(orchestrator, { labels: { role: 'web' } });
    const body = registration(first, (await makeCsr()).csr);
    const before = await register(orchestrator, body);
    const after = await register(orchestrator, { ...body, provisioning_token: second });
    expect(after.status).toBe(200);
    expect(after.body.agent_id).toBe(before.body.agent_id);
    const agent = await orchestrator.call({ path: `/api/v1/organizations/default/agents/${body.vm_id}` });
    expect(agent.body['labels']).toEqual({ role: 'web' });
  });

  it('counts the uses of a token for several machines', async () => {
    const { token } = await createToken(orchestrator, { uses: 2 });
    const statuses: number[] = [];
    for (const _ of [1, 2, 3]) {
      statuses.push((await register(orchestrator, registration(token, (await makeCsr()).csr))).status);
    }
    expect(statuses).toEqual([201, 201, 409]);
  });
});

/** The identifier of the key's curve is no DER: found by mutation, and only seen when the key is asked for. */
async function unreadableKey(): Promise<string> {
  const bytes = Buffer.from((await makeCsr()).csr.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  // 1.2.840.10045.2.1 ends with 02 01, and the tag and length of the curve's identifier follow.
  bytes[bytes.indexOf(Buffer.from('2a8648ce3d0201', 'hex')) + 7] = 0x84;
  return `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}

/** A request whose key was exchanged after it was signed. */
async function forgedCsr(): Promise<string> {
  const [a, b] = [await makeCsr(), await makeCsr()];
  const der = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const [into, from] = [der(a.csr), der(b.csr)];
  // The uncompressed point follows the BIT STRING header 03 42 00 04.
  const header = Buffer.from([0x03, 0x42, 0x00, 0x04]);
  from.copy(into, into.indexOf(header), from.indexOf(header), from.indexOf(header) + 68);
  return (
    into.toString('latin1') &&
    `-----BEGIN CERTIFICATE REQUEST-----\n${into.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`
  );
}

describe('a token that does not count', () => {
  const attempt = async (token: string, over: Record<string, unknown> = {}) => {
    const answer = await register(orchestrator, registration(token, (await makeCsr()).csr, over));
    return [answer.status, answer.body.code];
  };
  /** Another secret, the rest as it was. */
  const guessed = (token: string) => token.replace(/^(prov_[^_]+)_[^_]+_/, `$1_${'a'.repeat(40)}_`);

  it('is refused when its secret is wrong, and guessing is slowed down', async () => {
    const { token } = await createToken(orchestrator);
    for (let i = 0; i < 10; i++) expect(await attempt(guessed(token))).toEqual([401, 'token_invalid']);
    const slowed = await register(orchestrator, registration(guessed(token), (await makeCsr()).csr));
    expect(slowed.status).toBe(429);
    expect(Number(slowed.headers['retry-after'])).toBeGreaterThan(0);
  });

  it('is refused when it is unknown or no token at all', async () => {
    expect(await attempt(`prov_${'x'.repeat(12)}_${'a'.repeat(40)}_${'0'.repeat(32)}`)).toEqual([
      401,
      'token_invalid',
    ]);
    expect(await attempt('hello')).toEqual([401, 'token_invalid']);
  });

  it('is refused when it names another CA', async () => {
    const { token } = await createToken(orchestrator);
    expect(await attempt(token.replace(/[0-9a-f]{32}$/, '0'.repeat(32)))).toEqual([401, 'token_invalid']);
  });

  it('is refused by name when it is a JWT', async () => {
    expect(await attempt('eyJhbGciOiJFUzI1NiJ9.e30.x')).toEqual([422, 'unsupported']);
  });

  it('is refused when it was revoked', async () => {
    const { id, token } = await createToken(orchestrator);
    const path = `/api/v1/organizations/default/provisioning-tokens/${id}`;
    expect((await orchestrator.call({ method: 'DELETE', path })).status).toBe(204);
    expect(await attempt(token)).toEqual([401, 'token_revoked']);
  });

  it('is refused for another vm_id or network than it was made for', async () => {
    const { token } = await createToken(orchestrator, { vm_id_pattern: 'vm-web-*' });
    expect(await attempt(token)).toEqual([403, 'token_not_allowed']);
    expect(await attempt(token, { vm_id: newVmId('web') })).toEqual([201, undefined]);
    const { token: elsewhere } = await createToken(orchestrator, { cidr: '203.0.113.0/24' });
    expect(await attempt(elsewhere)).toEqual([403, 'token_not_allowed']);
    const { token: here } = await createToken(orchestrator, { cidr: '127.0.0.0/8' });
    expect(await attempt(here)).toEqual([201, undefined]);
  });

  it('cannot be made with a network that is none', async () => {
    const answer = await orchestrator.call({
      path: '/api/v1/organizations/default/provisioning-tokens',
      body: { cidr: '10.0.0.0/99' },
    });
    expect([answer.status, answer.body['code']]).toEqual([400, 'bad_request']);
  });
});

describe('an agent’s certificate', () => {
  it('asks for its own status, and opens no other agent’s path [identity-2]', async () => {
    const [one, other] = [await enroll(orchestrator), await enroll(orchestrator)];
    const own = await orchestrator.call({
      path: `/api/v1/agents/${one.response.vm_id}/status`,
      token: null,
      ...one.tls,
    });
    expect(own.body).toMatchObject({ agent_id: one.response.agent_id, online: false });
    const foreign = await orchestrator.call({
      path: `/api/v1/agents/${other.response.vm_id}/status`,
      token: null,
      ...one.tls,
    });
    expect([foreign.status, foreign.body['code']]).toEqual([403, 'wrong_agent']);
  });

  it('is demanded on agents’ paths, whatever else is shown', async () => {
    const { response, tls } = await enroll(orchestrator);
    const path = `/api/v1/agents/${response.vm_id}/status`;
    const without = await orchestrator.call({ path });
    expect([without.status, without.body['code']]).toEqual([403, 'client_certificate_required']);
    const browser = await orchestrator.call({ path, ...tls, headers: { origin: orchestrator.url } });
    expect([browser.status, browser.body['code']]).toEqual([403, 'origin_refused']);
  });

  it('of another CA does not count', async () => {
    const stranger = await startOrchestrator();
    try {
      const foreign = await enroll(stranger);
      const { response } = await enroll(orchestrator);
      const answer = await orchestrator.call({
        path: `/api/v1/agents/${response.vm_id}/status`,
        token: null,
        ...foreign.tls,
      });
      expect([answer.status, answer.body['code']]).toEqual([403, 'client_certificate_required']);
    } finally {
      await stranger.stop();
    }
  });

  it('never makes anybody a user [identity-2]', async () => {
    const { tls } = await enroll(orchestrator);
    const answer = await orchestrator.call({
      path: '/api/v1/organizations/default/agents',
      token: null,
      ...tls,
    });
    expect([answer.status, answer.body['code']]).toEqual([401, 'unauthenticated']);
  });

  it('is renewed for a new key, and the old one ends when the new one is first used', async () => {
    const { response, tls } = await enroll(orchestrator);
    const next = await makeCsr();
    const path = `/api/v1/agents/${response.vm_id}`;
    const body = { csr_base64: Buffer.from(next.csr).toString('base64') };
    const first = await orchestrator.call({ path: `${path}/renew`, token: null, body, ...tls });
    const again = await orchestrator.call({ path: `${path}/renew`, token: null, body, ...tls });
    expect([first.status, again.status]).toEqual([200, 200]);
    const renewed = renewResponseSchema.parse(first.body);
    expect(again.body['certificate']).toBe(renewed.certificate);
    const status = { path: `${path}/status`, token: null };
    expect((await orchestrator.call({ ...status, ...tls })).status).toBe(200);
    const newTls = { cert: renewed.certificate, key: next.pem };
    expect((await orchestrator.call({ ...status, ...newTls })).status).toBe(200);
    const old = await orchestrator.call({ ...status, ...tls });
    expect([old.status, old.body['code']]).toEqual([403, 'certificate_revoked']);
  });

  it('ends when the agent is revoked, and its vm_id is free again', async () => {
    const { response, tls } = await enroll(orchestrator);
    const path = `/api/v1/organizations/default/agents/${response.agent_id}`;
    expect((await orchestrator.call({ method: 'DELETE', path })).status).toBe(204);
    const status = await orchestrator.call({
      path: `/api/v1/agents/${response.vm_id}/status`,
      token: null,
      ...tls,
    });
    expect([status.status, status.body['code']]).toEqual([403, 'certificate_revoked']);
    await enroll(orchestrator, { vm_id: response.vm_id });
  });
});

describe('the list of agents', () => {
  it('goes page by page and follows the selector', async () => {
    for (let i = 0; i < 3; i++) {
      const { token } = await createToken(orchestrator, { labels: { page: 'yes' } });
      await register(orchestrator, registration(token, (await makeCsr()).csr));
    }
    const seen: string[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const query: string = cursor === null ? '' : `&cursor=${cursor}`;
      const answer = await orchestrator.call({
        path: `/api/v1/organizations/default/agents?selector=page%3Dyes&limit=2${query}`,
      });
      const page = agentListSchema.parse(answer.body);
      seen.push(...page.items.map((agent) => agent.agent_id));
      cursor = page.next_cursor;
      pages += 1;
    } while (cursor !== null);
    expect(new Set(seen).size).toBe(3);
    expect(pages).toBe(2);
    const wrong = await orchestrator.call({ path: '/api/v1/organizations/default/agents?selector=%3D%3D' });
    expect([wrong.status, wrong.body['code']]).toEqual([400, 'invalid_selector']);
  });
});

describe('another organization', () => {
  it('is invisible to a token that is not its own', async () => {
    const made = await orchestrator.call({ path: '/api/v1/organizations', body: { name: 'acme' } });
    expect(made.status).toBe(201);
    const issued = await orchestrator.call<{ token: string }>({
      path: '/api/v1/organizations/acme/api-tokens',
      body: { name: 'ci' },
    });
    expect(issued.status).toBe(201);
    const token = issued.body.token;
    const foreign = await orchestrator.call({ path: '/api/v1/organizations/default/agents', token });
    expect([foreign.status, foreign.body['code']]).toEqual([404, 'not_found']);
    const own = await orchestrator.call({ path: '/api/v1/organizations/acme/agents', token });
    expect(own.body).toEqual({ items: [], next_cursor: null });
    const create = await orchestrator.call({ path: '/api/v1/organizations', body: { name: 'more' }, token });
    expect([create.status, create.body['code']]).toEqual([403, 'forbidden']);
    const machine = await enroll(orchestrator, {}, { org: 'acme', token });
    expect(machine.response.organization_id).toBe(made.body['id']);
  });
});

describe('the trust of a client', () => {
  it('finds the orchestrator under its public name, too', async () => {
    const ca = orchestrator.ca;
    const answer = await callOrchestrator({ url: orchestrator.url, ca }, { path: '/healthz' });
    expect([answer.status, answer.text]).toEqual([200, '']);
  });
});
