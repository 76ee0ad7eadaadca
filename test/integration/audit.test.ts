import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AuditReport } from '../../protocol/audit-log.ts';
import { auditListSchema, type CheckpointAnswer, checkpointSchema } from '../../protocol/rest-audit.ts';
import { ORG } from './support/fleet.ts';
import { type OrchestratorProcess, runOrchestratorCli, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let folder: string;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
  folder = await mkdtemp(join(tmpdir(), 'audit-'));
});
afterAll(async () => {
  await orchestrator?.stop();
  await rm(folder, { recursive: true, force: true });
});

const createToken = (at: OrchestratorProcess, description = '') =>
  at.call({ path: `${ORG}/provisioning-tokens`, body: { description } });

async function cli(at: OrchestratorProcess, ...args: string[]) {
  const ca = join(at.dataDir, 'ca.crt');
  return runOrchestratorCli(['audit', ...args], {
    VM_ORCHESTRATOR_URL: at.url.replace('127.0.0.1', 'localhost'),
    VM_ORCHESTRATOR_API_TOKEN: at.credentials.api_token,
    VM_ORCHESTRATOR_CA_FILE: ca,
  });
}
const report = ({ stdout }: { stdout: string }) => JSON.parse(stdout) as AuditReport;

/** The newest checkpoint, once all that was recorded until now is sealed. */
async function sealed(at: OrchestratorProcess): Promise<CheckpointAnswer> {
  for (;;) {
    const list = auditListSchema.parse((await at.call({ path: `${ORG}/audit?limit=1` })).body);
    if (list.items[0]?.seq !== null) break;
  }
  return checkpointSchema.parse((await at.call({ path: `${ORG}/audit/checkpoint` })).body);
}

describe('the audit log of a running orchestrator', () => {
  it('lists what fits the filters, and says where each event stands', async () => {
    await createToken(orchestrator);
    await sealed(orchestrator);
    const found = auditListSchema.parse(
      (await orchestrator.call({ path: `${ORG}/audit?action=token&actor=admin` })).body,
    );
    expect(found.items[0]).toMatchObject({ action: 'token.create', actor: { name: 'admin' } });
    expect(found.items[0]?.seq).toBeGreaterThan(0);
    const none = await orchestrator.call({ path: `${ORG}/audit?action=token&since=2100-01-01T00:00:00Z` });
    expect(none.body).toMatchObject({ items: [] });
    const table = await cli(orchestrator, '--action', 'token', '--since', '2026-01-01');
    expect(table.stdout).toMatch(/TIME +ACTION.*token\.create +admin +127\.0\.0\.1/s);
  });

  it('records who comes with a wrong password, API token or provisioning token', async () => {
    await orchestrator.call({
      path: '/api/v1/session',
      token: null,
      body: { username: 'eve', password: 'x' },
    });
    await orchestrator.call({ path: '/api/v1/session', token: 'vmo_wrong' });
    const { items } = auditListSchema.parse((await orchestrator.call({ path: '/api/v1/audit' })).body);
    expect(items.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['session.login_failed', 'api_token.refused']),
    );
  });

  it('[audit-1] verifies by itself, on the machine, and as an export with the key that was kept', async () => {
    await createToken(orchestrator);
    const { key, note } = await sealed(orchestrator);
    const byRest = await cli(orchestrator, 'verify', '--json');
    expect([byRest.code, report(byRest)]).toMatchObject([0, { ok: true, key }]);
    const onMachine = await cli(orchestrator, 'verify', '--data', orchestrator.dataDir, '--json');
    expect([onMachine.code, report(onMachine)]).toMatchObject([0, { ok: true, key }]);
    const own = await cli(orchestrator, 'verify', '--data', orchestrator.dataDir, '--system', '--json');
    expect(report(own)).toMatchObject({ ok: true, log: 'orchestrator' });

    const file = join(folder, 'export.jsonl');
    const kept = join(folder, 'checkpoint');
    await writeFile(kept, note);
    expect((await cli(orchestrator, 'export', '--output', file)).code).toBe(0);
    const args = ['verify', '--file', file, '--key', key, '--checkpoint', kept];
    const good = await cli(orchestrator, ...args);
    expect([good.code, good.stdout]).toEqual([0, expect.stringMatching(/^good: .*1 of 1 agree/s)]);

    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    const at = lines.findIndex((line) => line.includes('token.create'));
    const seq = (JSON.parse(lines[at] ?? '') as { seq: number }).seq;
    await writeFile(
      file,
      lines.with(at, (lines[at] ?? '').replace('token.create', 'token.delete')).join('\n'),
    );
    const bad = await cli(orchestrator, ...args);
    expect([bad.code, bad.stdout]).toEqual([
      1,
      expect.stringContaining(`first bad event is ${seq}: changed`),
    ]);
    const json = await cli(orchestrator, ...args, '--json');
    expect([json.code, report(json).problem]).toMatchObject([1, { kind: 'changed', seq }]);
  });

  it('[audit-3] erases a person and verifies', async () => {
    await createToken(orchestrator, 'by admin');
    await sealed(orchestrator);
    const refused = await cli(orchestrator, 'erase', '--person', 'eve', '--system');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('--yes')]);
    const done = await cli(orchestrator, 'erase', '--person', 'eve', '--system', '--yes', '--json');
    expect(JSON.parse(done.stdout)).toEqual({ events: 1, fields: 2 });
    const { text: all } = await orchestrator.call({ path: '/api/v1/audit?limit=500' });
    expect(all).not.toContain('"eve"');
    expect(report(await cli(orchestrator, 'verify', '--system', '--json'))).toMatchObject({
      ok: true,
      erased: 1,
    });
  });

  it('[audit-4] drops old events, and says from where on the log is', async () => {
    await sealed(orchestrator);
    const before = new Date(Date.now() + 1000).toISOString();
    const done = await cli(orchestrator, 'retention', '--before', before, '--json');
    const { dropped, retained } = JSON.parse(done.stdout) as { dropped: number; retained: number };
    expect(dropped).toBeGreaterThan(3);
    const after = report(await cli(orchestrator, 'verify', '--json'));
    expect(after).toMatchObject({ ok: true, retained });
    const again = await cli(orchestrator, 'verify', '--data', orchestrator.dataDir);
    expect(again.stdout).toContain(`dropped     events up to ${retained}, on purpose`);
  });

  it('proves that an event is in the log, and that the log continues an earlier one', async () => {
    const { size } = await sealed(orchestrator);
    const inclusion = await orchestrator.call({ path: `${ORG}/audit/proof?seq=1` });
    expect(inclusion.body).toMatchObject({ size, leaf: expect.any(String), proof: expect.any(Array) });
    const consistency = await orchestrator.call({ path: `${ORG}/audit/proof?from=2` });
    expect(consistency.body).toMatchObject({ size, from_root: expect.any(String) });
    for (const query of ['seq=1&from=1', 'seq=999999', 'size=999999', ''])
      expect((await orchestrator.call({ path: `${ORG}/audit/proof?${query}` })).status).toBe(400);
  });

  it('[audit-1] names what is changed in the store of a stopped orchestrator', async () => {
    const own = await startOrchestrator();
    const dataDir = own.dataDir;
    for (let count = 0; count < 5; count++) await createToken(own);
    await sealed(own);
    await own.kill();
    const data = ['verify', '--data', dataDir, '--json'];
    expect((await runOrchestratorCli(['audit', ...data])).code).toBe(0);
    const database = new DatabaseSync(join(dataDir, 'orchestrator.db'));
    database.exec("UPDATE audit_events SET actor_id = 'api-x' WHERE seq = 4 AND organization_id IS NOT NULL");
    database.close();
    const bad = await runOrchestratorCli(['audit', ...data]);
    expect([bad.code, report(bad).problem]).toMatchObject([1, { kind: 'changed', seq: 4 }]);
    await rm(dataDir, { recursive: true, force: true });
  });

  it('says what is wrong with a call', async () => {
    const both = await runOrchestratorCli(['audit', 'verify', '--data', 'x', '--file', 'y']);
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining('exclude each other')]);
    const absent = await runOrchestratorCli(['audit', 'verify', '--file', join(folder, 'none')]);
    expect([absent.code, absent.stderr]).not.toEqual([0, '']);
    const noData = await runOrchestratorCli(['audit', 'verify', '--data', join(folder, 'none')]);
    expect(noData.stderr).toContain('no orchestrator data');
    const webhook = await runOrchestratorCli([
      'serve',
      '--data',
      join(folder, 'd'),
      '--audit-webhook',
      'http://10.0.0.1/',
    ]);
    expect([webhook.code, webhook.stderr]).toEqual([2, expect.stringContaining('https://')]);
  });
});

it('[audit-2] is whole after kill -9 in the middle of a thousand appends', async () => {
  const first = await startOrchestrator();
  const { dataDir, credentials } = first;
  let answered = 0;
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const append = async () => {
    for (let count = 0; count < 100; count++) {
      const { status } = await createToken(first);
      if (status === 201) answered += 1;
      if (answered === 500) resolve();
    }
  };
  const all = Promise.allSettled(Array.from({ length: 10 }, append));
  await enough;
  await first.kill();
  await all;
  expect(answered).toBeLessThan(1000);
  const second = await startOrchestrator({ dataDir, credentials });
  await sealed(second);
  const after = report(await cli(second, 'verify', '--json'));
  expect(after).toMatchObject({ ok: true, unsealed: 0 });
  // What was answered is there: the event was in the transaction of the deed.
  const { items } = auditListSchema.parse(
    (await second.call({ path: `${ORG}/audit?action=token.create&limit=500` })).body,
  );
  expect(items.length).toBe(500);
  await second.stop();
  await rm(dataDir, { recursive: true, force: true });
});

it('[audit-8] sends copies to a webhook that the operator named, with his secret', async () => {
  const bodies: string[] = [];
  const { promise: got, resolve } = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    bodies.push(await text(request));
    response.end();
    if (bodies.join('').includes('token.create')) resolve();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const own = await startOrchestrator({
    args: ['--audit-webhook', `http://127.0.0.1:${port}/hook`],
    env: { VM_ORCHESTRATOR_AUDIT_WEBHOOK_SECRET: 'sixteen characters' },
  });
  await createToken(own);
  await got;
  await own.stop();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});
