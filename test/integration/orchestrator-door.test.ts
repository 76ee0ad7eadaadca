import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CaStatus } from '../../protocol/rest-ca.ts';
import { AGENT_SNI } from '../../protocol/version.ts';
import { createToken, enroll } from './support/enroll.ts';
import { type OrchestratorProcess, runOrchestratorCli, startOrchestrator } from './support/orchestrator.ts';

const run = promisify(execFile);
let orchestrator: OrchestratorProcess;
let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'door-'));
  orchestrator = await startOrchestrator();
});
afterAll(async () => {
  await orchestrator.stop();
  await rm(scratch, { recursive: true, force: true });
});

const login = (over: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
  orchestrator.call({
    path: '/api/v1/session',
    token: null,
    headers,
    body: { username: 'admin', password: orchestrator.credentials.admin_password, ...over },
  });

describe('a dashboard session', () => {
  const cookieOf = async () => String((await login()).headers['set-cookie']).split(';')[0] ?? '';
  const create = (headers: Record<string, string>) =>
    orchestrator.call({
      path: '/api/v1/organizations/default/provisioning-tokens',
      token: null,
      body: {},
      headers,
    });

  it('is a cookie that scripts and other sites cannot reach', async () => {
    const answer = await login();
    expect(answer.status).toBe(200);
    const cookie = String(answer.headers['set-cookie']);
    expect(cookie).toMatch(
      /^__Host-vm_session=[a-z0-9]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=\d+$/,
    );
    const whoami = await orchestrator.call({ path: '/api/v1/session', token: null, headers: { cookie } });
    expect(whoami.body).toMatchObject({
      actor: { type: 'user', name: 'admin' },
      organizations: [{ name: 'default' }],
    });
  });

  it('changes things from its own page alone', async () => {
    const cookie = await cookieOf();
    expect((await create({ cookie })).body['code']).toBe('origin_refused');
    expect((await create({ cookie, origin: 'https://evil.example' })).status).toBe(403);
    expect((await create({ cookie, origin: orchestrator.url, 'sec-fetch-site': 'cross-site' })).status).toBe(
      403,
    );
    expect((await create({ cookie, origin: orchestrator.url })).status).toBe(201);
    expect((await create({ cookie, 'sec-fetch-site': 'same-origin' })).status).toBe(201);
  });

  it('ends at logout', async () => {
    const cookie = await cookieOf();
    const headers = { cookie, 'sec-fetch-site': 'same-origin' };
    const out = await orchestrator.call({ method: 'DELETE', path: '/api/v1/session', token: null, headers });
    expect(out.status).toBe(204);
    expect((await orchestrator.call({ path: '/api/v1/session', token: null, headers })).status).toBe(401);
  });

  it('is not begun from another site', async () => {
    const answer = await login({}, { origin: 'https://evil.example' });
    expect([answer.status, answer.body['code']]).toEqual([403, 'origin_refused']);
  });

  it('slows down who guesses a password, not the others', async () => {
    for (let i = 0; i < 10; i++)
      expect((await login({ username: 'bob', password: 'x' })).body['code']).toBe('login_failed');
    expect((await login({ username: 'bob', password: 'x' })).body['code']).toBe('rate_limited');
    expect((await login()).status).toBe(200);
  }, 60_000);
});

describe('the REST surface', () => {
  it('describes itself from the table that it is made of', async () => {
    const { body } = await orchestrator.call<{
      openapi: string;
      paths: Record<string, Record<string, { security: unknown }>>;
    }>({
      path: '/api/v1/openapi.json',
      token: null,
    });
    expect(body.openapi).toBe('3.1.1');
    expect(body.paths['/api/v1/agents/register']?.['post']?.security).toEqual([]);
    expect(body.paths['/api/v1/agents/{vm_id}/renew']?.['post']?.security).toEqual([
      { agentCertificate: [] },
    ]);
    expect(body.paths['/api/v1/organizations/{org}/agents']?.['get']).toBeDefined();
  });

  it.each([
    ['an unknown path', { path: '/api/v1/nothing' }, 404, 'not_found'],
    ['another method', { method: 'PUT', path: '/api/v1/session' }, 405, 'method_not_allowed'],
    ['a wrong token', { path: '/api/v1/organizations', token: 'vmo_wrong' }, 401, 'unauthenticated'],
    ['no token', { path: '/api/v1/organizations', token: null }, 401, 'unauthenticated'],
    [
      'a body that is too large',
      { path: '/api/v1/session', body: { username: 'x'.repeat(2 ** 20) } },
      413,
      'payload_too_large',
    ],
    ['unknown fields', { path: '/api/v1/organizations', body: { name: 'a', more: 1 } }, 400, 'bad_request'],
    [
      'an artifact that is not there',
      { path: `/artifacts/${'0'.repeat(64)}.tar.gz` },
      404,
      'artifact_not_available',
    ],
    [
      'a path out of the artifacts',
      { path: '/artifacts/..%2f..%2fpackage.json' },
      404,
      'artifact_not_available',
    ],
  ])('answers %s by a problem', async (_, options, status, code) => {
    const answer = await orchestrator.call(options);
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
    expect(answer.headers['strict-transport-security']).toBeUndefined();
  });

  it('lets no script of the page turn text into markup', async () => {
    const { headers } = await orchestrator.call({ path: '/', token: null });
    expect(headers['content-type']).toContain('text/html');
    expect(String(headers['content-security-policy']).split('; ')).toEqual(
      expect.arrayContaining([
        "script-src 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
      ]),
    );
  });

  it('refuses TLS 1.2', async () => {
    const { hostname, port } = new URL(orchestrator.url);
    const socket = connect({
      host: hostname,
      port: Number(port),
      ca: orchestrator.ca,
      servername: AGENT_SNI,
      maxVersion: 'TLSv1.2',
    });
    const [error] = await once(socket, 'error');
    expect(error.code).toContain('PROTOCOL_VERSION');
  });
});

describe('a certificate for browsers', () => {
  it('is shown to browsers, while agents get the private one and are known by theirs', async () => {
    const [cert, key] = [join(scratch, 'web.crt'), join(scratch, 'web.key')];
    const subject = ['-subj', '/CN=web', '-addext', 'subjectAltName=DNS:localhost'];
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      key,
      '-out',
      cert,
      ...subject,
    ]);
    const server = await startOrchestrator({ args: ['--tls-cert', cert, '--tls-key', key] });
    try {
      const request = httpsRequest(new URL('/healthz', server.url), {
        ca: await readFile(cert),
        servername: 'localhost',
        agent: false,
      });
      request.end();
      const [response] = await once(request, 'response');
      expect(response.statusCode).toBe(200);
      expect(response.headers['strict-transport-security']).toBeDefined();
      expect(await text(response)).toBe('');
      // The helper speaks to the private certificate, by the name that agents use.
      const { response: enrolled, tls } = await enroll(server);
      const status = { path: `/api/v1/agents/${enrolled.vm_id}/status`, token: null };
      expect((await server.call({ ...status, ...tls })).status).toBe(200);
      const { one_liner } = await createToken(server);
      expect(one_liner).not.toContain('CERTIFICATE');
      const ca = await server.call<CaStatus>({ path: '/api/v1/ca' });
      expect(ca.body.servers).toMatchObject([
        { kind: 'own', days_left: 89, late: false, renews_at: expect.any(String) },
        { kind: 'given', days_left: 1, late: false, renews_at: null },
      ]);
    } finally {
      await server.stop();
    }
  });
});

describe('the line that enrolls a machine', () => {
  it('fetches the script from the orchestrator verified and hands the token over by a pipe', async () => {
    const bin = join(scratch, 'bin');
    await mkdir(bin, { recursive: true });
    // In place of the real script: it says what it was called with and what it was given.
    const script = join(scratch, 'setup.sh');
    await writeFile(
      script,
      'echo "args: $*"; echo "stdin: $(cat)"; for a; do case $a in */ca.pem) cat "$a";; esac; done\n',
    );
    const real = (await run('sh', ['-c', 'command -v curl'])).stdout.trim();
    // The download is real and verified; only the file that it gives is exchanged.
    await writeFile(
      join(bin, 'curl'),
      `#!/bin/sh\nfor last; do :; done\n${real} --connect-timeout 5 "$@" -w '' || [ $? -eq 22 ] || exit\nfor a; do case $prev in -o) cp ${script} "$a";; esac; prev=$a; done\n`,
    );
    await chmod(join(bin, 'curl'), 0o755);
    const { one_liner, token } = await createToken(orchestrator);
    expect(one_liner).not.toContain('\n');
    const { stdout } = await run('sh', ['-c', one_liner], { env: { PATH: `${bin}:${process.env['PATH']}` } });
    const args = /^args: (.*)$/m.exec(stdout)?.[1] ?? '';
    expect(args).toMatch(/^--token-stdin --server-url https:\/\/127\.0\.0\.1:\d+ --ca-file \S+\/ca\.pem$/);
    expect(args).not.toContain(token);
    expect(stdout).toContain(`stdin: ${token}\n`);
    expect(stdout).toContain(orchestrator.ca.trim());
    const folder = args.split(' ').at(-1)?.replace('/ca.pem', '') ?? '';
    await expect(stat(folder)).rejects.toThrow('ENOENT');
  });
});

describe('the command line', () => {
  it('prints the first credentials once and makes new ones on the machine, recorded', async () => {
    const data = ['--data', orchestrator.dataDir];
    const again = await runOrchestratorCli(['bootstrap', ...data]);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('admin reset');
    expect(again.stdout).toBe('');
    const { credentials } = orchestrator;
    const reset = JSON.parse((await runOrchestratorCli(['admin', 'reset', ...data])).stdout);
    expect(reset.ca_fingerprint).toBe(credentials.ca_fingerprint);
    expect((await orchestrator.call({ path: '/api/v1/session' })).status).toBe(401);
    const token = reset.api_token as string;
    const audit = await orchestrator.call({ path: '/api/v1/organizations/default/audit', token });
    expect(audit.text).toContain('admin.reset');
    orchestrator.credentials = reset;
    credentials.api_token = token;
    credentials.admin_password = reset.admin_password;
  });

  it('takes the credentials that the environment gives', async () => {
    const env = { VM_ORCHESTRATOR_ADMIN_PASSWORD: 'correct horse', VM_ORCHESTRATOR_API_TOKEN: 'vmo_given' };
    const server = await startOrchestrator({ env });
    try {
      expect(server.credentials).toMatchObject({ admin_password: 'correct horse', api_token: 'vmo_given' });
      expect((await server.call({ path: '/api/v1/session' })).status).toBe(200);
    } finally {
      await server.stop();
    }
  });

  it('resets to nothing that was in force, whatever the shell has exported', async () => {
    const data = ['--data', join(scratch, 'reset')];
    const env = { VM_ORCHESTRATOR_ADMIN_PASSWORD: 'leaked word', VM_ORCHESTRATOR_API_TOKEN: 'vmo_leaked' };
    const first = await runOrchestratorCli(['bootstrap', ...data], env);
    expect(first.stderr).toContain('taken from the environment (VM_ORCHESTRATOR_API_TOKEN)');
    const reset = await runOrchestratorCli(['admin', 'reset', ...data], env);
    expect(reset.code).toBe(0);
    expect(reset.stdout).not.toMatch(/leaked/);
    expect(reset.stderr).toContain('(VM_ORCHESTRATOR_API_TOKEN) was the one in force');
    expect(reset.stderr).toContain('(VM_ORCHESTRATOR_ADMIN_PASSWORD) was the one in force');
    // It is not known any more, and stands still where client commands look for it.
    const { VM_ORCHESTRATOR_API_TOKEN } = env;
    const revoked = await runOrchestratorCli(['admin', 'reset', ...data], { VM_ORCHESTRATOR_API_TOKEN });
    expect(revoked.stdout).not.toMatch(/leaked/);
    expect(revoked.stderr).toContain('(VM_ORCHESTRATOR_API_TOKEN) was not taken');
    const file = join(scratch, 'chosen-token');
    await writeFile(file, 'vmo_chosen\n');
    const chosen = { VM_ORCHESTRATOR_API_TOKEN_FILE: file };
    const other = await runOrchestratorCli(['admin', 'reset', ...data], chosen);
    expect(JSON.parse(other.stdout).api_token).toBe('vmo_chosen');
    expect(other.stderr).toContain('taken from the environment (VM_ORCHESTRATOR_API_TOKEN)');
  });

  it('resets no orchestrator that is not there, and makes none', async () => {
    const nowhere = join(scratch, 'typo');
    const reset = await runOrchestratorCli(['admin', 'reset', '--data', nowhere]);
    expect([reset.code, reset.stdout]).toEqual([1, '']);
    expect(reset.stderr).toContain(`no orchestrator data in ${nowhere}`);
    await expect(stat(nowhere)).rejects.toThrow('ENOENT');
  });

  it('makes one CA, whatever number of processes begin', async () => {
    const data = join(scratch, 'shared');
    const runs = await Promise.all([1, 2, 3, 4].map(() => runOrchestratorCli(['bootstrap', '--data', data])));
    expect(runs.map((each) => each.code).sort()).toEqual([0, 1, 1, 1]);
    expect((await stat(join(data, 'master.key'))).mode & 0o777).toBe(0o600);
    const second = await runOrchestratorCli(['admin', 'reset', '--data', data]);
    const first = runs.find((each) => each.code === 0);
    expect(JSON.parse(second.stdout).ca_fingerprint).toBe(JSON.parse(first?.stdout ?? '').ca_fingerprint);
  });

  it.each([
    ['--store', 'postgres://db/x'],
    ['--bus', 'nats://bus'],
    ['--agent-listen', '0.0.0.0:9443'],
    ['--proxy-protocol-from', '10.0.0.0/8'],
  ])('refuses %s by name', async (flag, value) => {
    const { code, stderr } = await runOrchestratorCli([
      'serve',
      '--data',
      join(scratch, 'none'),
      flag,
      value,
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain(flag);
  });

  it.each([
    ['--public-url', 'http://example.org', 'https://'],
    ['--public-url', "https://a';id;'", 'characters'],
    ['--public-url', 'https://example.org/x', 'host and a port alone'],
    ['--listen', 'nowhere', 'HOST:PORT'],
    ['--tls-cert', '/nonexistent', 'belong together'],
  ])('says what is wrong with %s %s', async (flag, value, message) => {
    const { code, stderr } = await runOrchestratorCli([
      'serve',
      '--data',
      join(scratch, 'wrong'),
      flag,
      value,
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe('the data folder', () => {
  it('offers the root certificate, and keeps the rest from other users', async () => {
    expect(await readFile(join(orchestrator.dataDir, 'ca.crt'), 'utf8')).toBe(orchestrator.ca);
    const others = (await readdir(orchestrator.dataDir)).filter((name) => name !== 'ca.crt');
    expect(others).toEqual(expect.arrayContaining(['master.key', 'orchestrator.db']));
    for (const name of others) {
      expect((await stat(join(orchestrator.dataDir, name))).mode & 0o077, name).toBe(0);
    }
  });
});
