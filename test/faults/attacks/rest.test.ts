import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditListSchema } from '../../../protocol/rest-audit.ts';
import { createTempHome, type TempHome } from '../../fakes/temp-home.ts';
import { createToken, newVmId, register, registration } from '../../integration/support/enroll.ts';
import { ORG } from '../../integration/support/fleet.ts';
import { makeCsr } from '../../integration/support/machine-key.ts';
import { runOrchestratorCli } from '../../integration/support/orchestrator.ts';
import { HOSTILE_VALUES, NO_JSON, planted } from './support/hostile-json.ts';
import { exchange } from './support/raw.ts';
import { type Stage, startStage } from './support/stage.ts';

let stage: Stage;
let temp: TempHome;
beforeAll(async () => {
  temp = await createTempHome();
  stage = await startStage();
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
  await temp?.remove();
});

const audited = async () => {
  const { body } = await stage.orchestrator.call({ path: `${ORG}/audit?limit=500` });
  return auditListSchema.parse(body).items;
};

describe('[attack-4] JSON at the REST door', () => {
  const post = (path: string, body: string, token?: string) =>
    exchange(
      stage.target,
      `POST ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n${token === undefined ? '' : `Authorization: Bearer ${token}\r\n`}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${Buffer.from(body).toString('latin1')}`,
    );

  it('is refused by its schema or taken for what it is, in each place of each body', async () => {
    const { token } = await createToken(stage.orchestrator, { uses: 1000 });
    const { csr } = await makeCsr();
    const key = stage.orchestrator.credentials.api_token;
    const whole = (value: string) => value;
    const entries: [string, string, (value: string) => string, string | undefined][] = [
      ['register', '/api/v1/agents/register', whole, undefined],
      [
        'register, facts',
        '/api/v1/agents/register',
        (value) => planted(registration(token, csr, { facts: '@' }), value),
        undefined,
      ],
      [
        'register, hostname',
        '/api/v1/agents/register',
        (value) => planted(registration(token, csr, { hostname: '@' }), value),
        undefined,
      ],
      [
        'register, labels',
        '/api/v1/agents/register',
        (value) => planted(registration(token, csr, { labels: '@' }), value),
        undefined,
      ],
      [
        'register, more',
        '/api/v1/agents/register',
        (value) => planted(registration(token, csr, { more: '@' }), value),
        undefined,
      ],
      ['sign-in', '/api/v1/sign-in', whole, undefined],
      ['job', `${ORG}/jobs`, whole, key],
      [
        'job, arguments',
        `${ORG}/jobs`,
        (value) =>
          planted({ selector: `id=${stage.machine.vmId}`, arguments: { command: 'true', more: '@' } }, value),
        key,
      ],
      [
        'job, selector',
        `${ORG}/jobs`,
        (value) => planted({ selector: '@', arguments: { command: 'true' } }, value),
        key,
      ],
      [
        'job, tool',
        `${ORG}/jobs`,
        (value) =>
          planted(
            {
              selector: `id=${stage.machine.vmId}`,
              tool: 'read_file',
              arguments: { path: '/etc/hostname', x: '@' },
            },
            value,
          ),
        key,
      ],
      [
        'saved',
        `${ORG}/saved-commands`,
        (value) => planted({ name: `x${randomBytes(3).toString('hex')}`, arguments: '@' }, value),
        key,
      ],
      ['token', `${ORG}/provisioning-tokens`, (value) => planted({ labels: '@' }, value), key],
    ];
    await stage.attack('hostile JSON over REST', async () => {
      for (const [entry, path, make, bearer] of entries)
        for (const [what, value] of [...HOSTILE_VALUES, ...NO_JSON]) {
          const { status, text } = await post(path, make(value), bearer);
          expect([entry, what, status >= 200 && status < 500, text.slice(0, 60)]).toEqual([
            entry,
            what,
            true,
            expect.any(String),
          ]);
        }
      const { status } = await post('/api/v1/sign-in', `"${'x'.repeat(1024 * 1024)}"`);
      expect(status).toBe(413);
    });
    expect(stage.orchestrator.log()).not.toMatch(/RangeError|Maximum call stack|"a request failed"/);
    expect(({} as Record<string, unknown>)['polluted']).toBe(undefined);
  });
});

describe('[attack-6] what strangers call themselves', () => {
  it('stays one line in every log, and the audit log still verifies', async () => {
    const nasty = 'a\r\nb\u2028c\u2029d\u0085e\u001b[31m\u009b2J\u202ef"}\\{';
    const { token } = await createToken(stage.orchestrator);
    const { csr } = await makeCsr();
    const vm_id = newVmId();
    const answer = await register(
      stage.orchestrator,
      registration(token, csr, {
        vm_id,
        hostname: nasty,
        facts: { hostname: nasty, os: nasty, arch: nasty },
        request_id: nasty.slice(0, 60),
      }),
    );
    expect(answer.status).toBe(201);
    const events = await audited();
    expect(
      events.find(({ action, target }) => action === 'agent.enroll' && target === answer.body.agent_id)
        ?.detail,
    ).toMatchObject({ hostname: nasty });
    const file = temp.join('export.jsonl');
    const exported = await stage.orchestrator.call({ path: `${ORG}/audit/export` });
    expect(exported.status).toBe(200);
    await writeFile(file, exported.text);
    const verified = await runOrchestratorCli(['audit', 'verify', '--file', file, '--json']);
    expect([verified.code, verified.stderr]).toEqual([0, expect.any(String)]);
    for (const line of stage.orchestrator
      .log()
      .trimEnd()
      .split(/[\n\u2028\u2029\u0085]/))
      expect(() => JSON.parse(line)).not.toThrow();
  });
});
