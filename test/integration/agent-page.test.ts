import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Problem } from '../../protocol/problem.ts';
import type { CallResult, Upload } from '../../protocol/rest-calls.ts';
import { AGENT_SNI } from '../../protocol/version.ts';
import { ORG } from './support/fleet.ts';
import { type Machine, startMachine } from './support/machine.ts';
import { type Answer, type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let machine: Machine;

beforeAll(async () => {
  orchestrator = await startOrchestrator();
  machine = await startMachine(orchestrator);
});
afterAll(async () => {
  await machine?.[Symbol.asyncDispose]();
  await orchestrator?.stop();
});

const base = () => `${ORG}/agents/${machine.vmId}`;
const call = <T = CallResult>(tool: string, args: Record<string, unknown>, more: { wait?: number } = {}) =>
  orchestrator.call<T>({
    path: `${base()}/tools/${tool}${more.wait === undefined ? '' : `?wait=${more.wait}`}`,
    body: args,
  });
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Sends bytes; `cutAfter` ends the connection when so many have left. */
async function put(path: string, bytes: Buffer, cutAfter?: number): Promise<Answer<Upload> | undefined> {
  const request = httpsRequest(new URL(path, orchestrator.url), {
    method: 'PUT',
    ca: orchestrator.ca,
    servername: AGENT_SNI,
    agent: false,
    headers: {
      authorization: `Bearer ${orchestrator.credentials.api_token}`,
      'content-type': 'application/octet-stream',
      'content-length': bytes.length,
    },
  });
  if (cutAfter !== undefined) {
    request.on('error', () => undefined);
    await new Promise<void>((resolve) => request.write(bytes.subarray(0, cutAfter), () => resolve()));
    request.destroy();
    return undefined;
  }
  request.end(bytes);
  const [response] = await once(request, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode, headers: response.headers, body: JSON.parse(text), text };
}

async function download(path: string, headers: Record<string, string> = {}) {
  const request = httpsRequest(
    new URL(`${base()}/files/content?path=${encodeURIComponent(path)}`, orchestrator.url),
    {
      ca: orchestrator.ca,
      servername: AGENT_SNI,
      agent: false,
      headers: { authorization: `Bearer ${orchestrator.credentials.api_token}`, ...headers },
    },
  );
  request.end();
  const [response] = await once(request, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode as number, headers: response.headers, bytes: Buffer.concat(chunks) };
}

describe('calling a tool and waiting', () => {
  it('[call-1] answers with what the tool says, and stands in no list of jobs', async () => {
    const { status, body } = await call('get_process_list', { top: 5 });
    expect(status).toBe(200);
    expect(body).toMatchObject({ state: 'succeeded' });
    expect(body.value?.['processes']).toHaveLength(5);
    const jobs = await orchestrator.call<{ items: { id: string }[] }>({ path: `${ORG}/jobs` });
    expect(jobs.body.items.map(({ id }) => id)).not.toContain(body.job_id);
    const calls = await orchestrator.call<{ items: { id: string }[] }>({ path: `${ORG}/jobs?origin=call` });
    expect(calls.body.items.map(({ id }) => id)).toContain(body.job_id);
  });

  it('gives the streams of a command, and the whole of them by its handle', async () => {
    const { body } = await call('execute_shell_command', { command: 'seq 1 50000; echo apart >&2; exit 3' });
    expect(body).toMatchObject({ state: 'failed', exit_code: 3, stderr: { text: 'apart\n' } });
    expect(body.stdout?.omitted).toBeGreaterThan(0);
    const whole = await orchestrator.call({
      path: `${ORG}/commands/${body.command_id}/output?limit=1000000`,
    });
    expect(whole.text.trimEnd().split('\n').length).toBe(50_000);
  });

  it('says what a tool refused, as the agent said it', async () => {
    const { status, body } = await call('read_file', { file_path: machine.join('none') });
    expect(status).toBe(200);
    expect(body).toMatchObject({ state: 'failed', value: null, error: { code: 'not_found' } });
  });

  it('[call-2] cancels what takes longer than was waited for', async () => {
    const marker = machine.join('late');
    const { status, body } = await call<Problem>(
      'execute_shell_command',
      { command: `sleep 5; touch ${marker}` },
      { wait: 0.5 },
    );
    expect(status).toBe(504);
    expect(body).toMatchObject({ code: 'call_timeout', hint: expect.stringContaining('job') });
    const list = await orchestrator.call<{ items: { state: string; tool: string }[] }>({
      path: `${base()}/commands?limit=1`,
    });
    expect(list.body.items[0]?.tool).toBe('execute_shell_command');
    expect(existsSync(marker)).toBe(false);
  });

  it('refuses a tool that the agent does not have, and an agent that is not there', async () => {
    expect((await call<Problem>('no_such_tool', {})).body.code).toBe('unsupported');
    const none = await orchestrator.call<Problem>({
      path: `${ORG}/agents/vm-none-000000/tools/read_file`,
      body: {},
    });
    expect(none.status).toBe(404);
  });

  it('tells the audit log who called what on which file', async () => {
    await call('list_directory', { directory_path: machine.folder });
    const { body } = await orchestrator.call<{
      items: { action: string; target: string; detail: Record<string, unknown> }[];
    }>({ path: `${ORG}/audit` });
    const event = body.items.find(({ action }) => action === 'tool.call');
    expect(event).toMatchObject({
      target: machine.agentId,
      detail: { tool: 'list_directory', directory_path: machine.folder },
    });
  });
});

describe('files', () => {
  it('[transfer-1] uploads 100 MB that were cut at any byte, and the file is what was sent', async () => {
    const bytes = randomBytes(100 * 1024 * 1024);
    const path = machine.join('big.bin');
    const begun = await orchestrator.call<Upload>({
      path: `${base()}/files/uploads`,
      body: { path, size: bytes.length },
    });
    expect(begun.status).toBe(201);
    const { upload_id } = begun.body;
    const at = `${base()}/files/uploads/${upload_id}?path=${encodeURIComponent(path)}`;
    let received = 0;
    for (const cut of [1, 524_287, 3_000_001, 40_000_000]) {
      await put(`${at}&offset=${received}`, bytes.subarray(received), cut);
      const now = await orchestrator.call<Upload>({
        path: `${base()}/files/uploads`,
        body: { path, size: bytes.length, upload_id },
      });
      expect(now.body.received).toBeGreaterThanOrEqual(received);
      received = now.body.received;
    }
    expect(received).toBeLessThan(bytes.length);
    while (received < bytes.length) {
      const answer = await put(
        `${at}&offset=${received}`,
        bytes.subarray(received, received + 32 * 1024 * 1024),
      );
      expect(answer?.status, answer?.text).toBe(200);
      received = answer?.body.received ?? 0;
    }
    expect(existsSync(path)).toBe(false);
    const wrong = await orchestrator.call<Problem>({
      path: `${base()}/files/uploads/${upload_id}/finish`,
      body: { path, size: bytes.length - 1, sha256: sha256(bytes) },
    });
    expect(wrong.body.code).toBe('conflict');
    const done = await orchestrator.call<Upload>({
      path: `${base()}/files/uploads/${upload_id}/finish`,
      body: { path, size: bytes.length, sha256: sha256(bytes) },
    });
    expect(done.body, done.text).toMatchObject({ done: true, created: true });
    expect(sha256(readFileSync(path))).toBe(sha256(bytes));
    expect(readdirSync(machine.folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('[transfer-2] downloads it as a file and nothing else, from any byte on', async () => {
    const path = machine.join('big.bin');
    const whole = await download(path);
    expect(whole.status).toBe(200);
    expect(whole.headers).toMatchObject({
      'accept-ranges': 'bytes',
      'x-content-type-options': 'nosniff',
      'content-security-policy': expect.stringMatching(/^sandbox;/),
      'content-disposition': expect.stringMatching(/^attachment;/),
    });
    const content = readFileSync(path);
    expect(sha256(whole.bytes)).toBe(sha256(content));
    const rest = await download(path, { range: 'bytes=70000001-', 'if-range': whole.headers.etag ?? '' });
    expect(rest.status).toBe(206);
    expect(rest.headers['content-range']).toBe(`bytes 70000001-${content.length - 1}/${content.length}`);
    expect(rest.bytes.equals(content.subarray(70_000_001))).toBe(true);
    expect((await download(path, { range: 'bytes=-10' })).bytes).toEqual(content.subarray(-10));
    expect((await download(path, { range: 'bytes=999999999-' })).status).toBe(416);
    const other = await download(path, { range: 'bytes=99999990-', 'if-range': '"another"' });
    expect([other.status, other.bytes.length]).toEqual([200, content.length]);
  });

  it('serves an empty file and a strange name', async () => {
    const path = machine.join('wörld "x"\u202e.txt');
    writeFileSync(path, '');
    const answer = await download(path);
    expect([answer.status, answer.bytes.length]).toEqual([200, 0]);
    expect(answer.headers['content-disposition']).toContain(
      "filename*=UTF-8''w%C3%B6rld%20%22x%22%E2%80%AE.txt",
    );
  });

  it('[transfer-3] refuses an edit of a file that changed since it was read', async () => {
    const path = machine.join('conf');
    writeFileSync(path, 'one\n');
    const seen = sha256(Buffer.from('one\n'));
    writeFileSync(path, 'changed by somebody\n');
    const { body } = await call('write_file', { file_path: path, content: 'two\n', expected_sha256: seen });
    expect(body).toMatchObject({ state: 'failed', error: { code: 'conflict' } });
    expect(readFileSync(path, 'utf8')).toBe('changed by somebody\n');
  });

  it('replaces no file unless it is told to, and keeps its mode then', async () => {
    const path = machine.join('kept');
    writeFileSync(path, 'old', { mode: 0o640 });
    const size = 3;
    const refused = await orchestrator.call<Problem>({
      path: `${base()}/files/uploads`,
      body: { path, size },
    });
    expect(refused.body.code).toBe('conflict');
    const begun = await orchestrator.call<Upload>({
      path: `${base()}/files/uploads`,
      body: { path, size, overwrite: true },
    });
    const { upload_id } = begun.body;
    await put(
      `${base()}/files/uploads/${upload_id}?path=${encodeURIComponent(path)}&offset=0`,
      Buffer.from('new'),
    );
    const done = await orchestrator.call<Upload>({
      path: `${base()}/files/uploads/${upload_id}/finish`,
      body: { path, size, sha256: sha256(Buffer.from('new')), overwrite: true },
    });
    expect(done.body).toMatchObject({ done: true, created: false, mode: '640' });
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('makes, renames and deletes', async () => {
    const [folder, from, to] = [machine.join('d'), machine.join('d', 'a'), machine.join('d', 'b')];
    expect((await call('make_directory', { directory_path: folder })).body.state).toBe('succeeded');
    writeFileSync(from, 'x');
    writeFileSync(machine.join('d', 'c'), 'y');
    const taken = await call('move_file', { file_path: from, new_path: machine.join('d', 'c') });
    expect(taken.body.error?.code).toBe('conflict');
    expect((await call('move_file', { file_path: from, new_path: to })).body.state).toBe('succeeded');
    expect((await call('delete_file', { file_path: to })).body.state).toBe('succeeded');
    expect(readdirSync(folder)).toEqual(['c']);
  });

  it('lets no tool touch the agent’s own files', async () => {
    const own = machine.join('agent', 'config', 'agent_config.yaml');
    for (const answer of [
      await call('delete_file', { file_path: own }),
      await call('move_file', { file_path: own, new_path: machine.join('stolen') }),
      await call('upload_file', {
        step: 'begin',
        file_path: own,
        upload_id: 'ab'.repeat(8),
        size: 1,
        overwrite: true,
      }),
      await call('download_file', { file_path: machine.join('agent', 'security', 'vm_agent.key') }),
    ])
      expect(answer.body).toMatchObject({ state: 'refused', error: { code: 'path_refused' } });
  });
});

describe('who may look into a machine', () => {
  /** A token of the store's own making: roles of tokens are given elsewhere. */
  function tokenOf(role: string, organization: string): string {
    const token = `vmo_${randomBytes(20).toString('hex')}`;
    const database = new DatabaseSync(`${orchestrator.dataDir}/orchestrator.db`);
    database
      .prepare(
        'INSERT INTO api_tokens (id, organization_id, token_hash, name, role, created_at) VALUES (?, ?, ?, ?, ?, 0)',
      )
      .run(`api-${token.slice(4, 30)}`, organization, sha256(Buffer.from(token)), role, role);
    database.close();
    return token;
  }

  it('[call-3] asks for the right of the tool, and knows no machine of another organization', async () => {
    const { body } = await orchestrator.call<{ id: string }>({
      path: '/api/v1/organizations',
      body: { name: 'other' },
    });
    const { body: own } = await orchestrator.call<{ organization_id: string }>({ path: base() });
    const viewer = tokenOf('viewer', own.organization_id);
    const operator = tokenOf('operator', own.organization_id);
    const foreign = tokenOf('admin', body.id);
    const path = machine.join('seen');
    writeFileSync(path, 'seen');
    const query = `path=${encodeURIComponent(path)}`;
    const tries = [
      { path: `${base()}/tools/read_file`, body: { file_path: path } },
      { path: `${base()}/tools/get_process_list`, body: {} },
      { path: `${base()}/files/content?${query}` },
      { path: `${base()}/files/uploads`, body: { path: `${path}2`, size: 1 } },
      { path: `${ORG}/jobs`, body: { selector: 'all', tool: 'read_file', arguments: { file_path: path } } },
    ];
    for (const request of tries) {
      const refused = await orchestrator.call<Problem>({ ...request, token: viewer });
      expect([request.path, refused.status, refused.body.code]).toEqual([request.path, 403, 'forbidden']);
      for (const where of [request.path, request.path.replace('/default/', '/other/')]) {
        const unseen = await orchestrator.call<Problem>({ ...request, path: where, token: foreign });
        // An organization of one's own has no such machine; somebody else's is not there at all.
        expect([404, 422]).toContain(unseen.status);
      }
      expect((await orchestrator.call({ ...request, token: operator })).status).toBeLessThan(300);
    }
    expect((await orchestrator.call({ path: `${base()}/metrics`, token: viewer })).status).toBe(200);
    const label = { method: 'PATCH', path: base(), body: { labels: { stolen: 'yes' } } };
    expect((await orchestrator.call({ ...label, token: operator })).status).toBe(403);
  });
});
