import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { hashToken } from '../../orchestrator/tenancy/secrets.ts';
import { enrollHome } from '../browser/support/enroll.ts';
import { type AgentProcess, startAgent } from '../fakes/agent-process.ts';
import { createTempHome, type TempHome } from '../fakes/temp-home.ts';
import { createToken } from './support/enroll.ts';
import { type OrchestratorProcess, startOrchestrator } from './support/orchestrator.ts';
import { connectTerminal, type Refusal, type TerminalAtHand } from './support/terminal-client.ts';

/** A real orchestrator, a real agent in user mode, and people who sit at its terminals. */
let orchestrator: OrchestratorProcess;
let home: TempHome;
let agent: AgentProcess;
let vmId: string;
const bearer = () => ({ authorization: `Bearer ${orchestrator.credentials.api_token}` });
const SHELL = { type: 'open', rows: 24, cols: 80, command: 'PS1="ready> " exec sh -i' } as const;

async function startIt() {
  home = await createTempHome();
  const { token } = await createToken(orchestrator);
  vmId = await enrollHome({ home: home.path, url: orchestrator.url, token });
  agent = startAgent({ home: home.path });
  await agent.logged((line) => line['msg'] === 'connected to the orchestrator');
}
beforeAll(async () => {
  orchestrator = await startOrchestrator();
  await startIt();
});
afterAll(async () => {
  await agent?.[Symbol.asyncDispose]();
  await home?.[Symbol.asyncDispose]();
  await orchestrator?.stop();
});

async function sit(
  first: Parameters<typeof connectTerminal>[1]['first'] = SHELL,
  headers: Record<string, string> = bearer(),
): Promise<TerminalAtHand> {
  const found = await connectTerminal(orchestrator, { agent: vmId, first, headers });
  if ('status' in found) throw new Error(`refused: ${found.status} ${found.code}`);
  return found;
}
const refusal = async (options: Partial<Parameters<typeof connectTerminal>[1]>): Promise<Refusal> => {
  const found = await connectTerminal(orchestrator, { agent: vmId, first: SHELL, ...options });
  if ('status' in found) return found;
  throw new Error('it was let in');
};
const api = (path: string, more: object = {}) =>
  orchestrator.call<object>({ path: `/api/v1/organizations/default/${path}`, ...more });
const audited = async (action: string, target: string) => {
  const { body } = await api('audit?limit=200');
  const items = (body as { items: { action: string; target: string; detail: Record<string, unknown> }[] })
    .items;
  return items.filter((event) => event.action === action && event.target === target);
};

/** Somebody of this role, with a token; the store is told, as whoever rules it would. */
function person(role: string) {
  const token = `vmo_${role}${randomBytes(16).toString('hex')}`;
  const id = newId('api', systemClock);
  const change = (sql: string, ...values: string[]) => {
    const database = new DatabaseSync(join(orchestrator.dataDir, 'orchestrator.db'), { timeout: 5000 });
    database.prepare(sql).run(...values);
    database.close();
  };
  change(
    `INSERT INTO api_tokens (id, organization_id, token_hash, name, role, created_at)
     SELECT ?, id, ?, ?, ?, 0 FROM organizations WHERE name = 'default'`,
    id,
    hashToken(token),
    role,
    role,
  );
  return {
    headers: { authorization: `Bearer ${token}` },
    become: (next: string) => change('UPDATE api_tokens SET role = ? WHERE id = ?', next, id),
  };
}

describe('a terminal', () => {
  it('shows what is typed, follows its size, ends with its exit code, and is in the audit log', async () => {
    const at = await sit();
    await at.until('ready> ');
    at.send({ type: 'resize', rows: 33, cols: 101 });
    at.type('stty size\n');
    await at.until('33 101\r\n');
    at.type('exit 5\n');
    expect(await at.ended()).toMatchObject({ reason: 'exit', exit_code: 5 });
    expect(await at.closed).toBe(4100);
    const [opened] = await audited('terminal.opened', at.id);
    expect(opened?.detail).toMatchObject({ vm_id: vmId });
    await expect
      .poll(() => audited('terminal.ended', at.id))
      .toMatchObject([{ detail: { reason: 'exit', exit_code: 5, typed_bytes: 17 } }]);
  });

  it('goes on when its link breaks: whoever opened it comes back and misses nothing', async () => {
    const first = await sit();
    await first.until('ready> ');
    first.type('echo be""fore\n');
    await first.until('before\r\n');
    const { offset } = first;
    first.drop();
    const second = await sit({ type: 'attach', id: first.id as never, rows: 24, cols: 80, offset });
    second.type('echo af""ter\n');
    await second.until('after\r\n');
    expect(second.screen()).not.toContain('before\r\n');
    const third = await sit({ type: 'attach', id: first.id as never, rows: 24, cols: 80 });
    await third.until('after\r\n');
    expect(third.screen()).toContain('before\r\n');
    expect(await second.closed).toBe(4102);
    third.send({ type: 'close' });
    expect(await third.ended()).toMatchObject({ reason: 'closed' });
  });

  it('is gone from the machine when it is closed', async () => {
    const at = await sit();
    await at.until('ready> ');
    at.type('echo "pid=$$."\n');
    await at.until(/pid=(\d+)\./);
    const pid = Number(/pid=(\d+)\./.exec(at.screen())?.[1]);
    at.send({ type: 'close' });
    await at.ended();
    await expect
      .poll(
        () => {
          try {
            return process.kill(pid, 0);
          } catch {
            return false;
          }
        },
        { timeout: 20_000 },
      )
      .toBe(false);
  });

  it('waits for a client that shows nothing, and goes on with it', async () => {
    const at = await sit({
      type: 'open',
      rows: 24,
      cols: 80,
      command: 'head -c 3000000 /dev/zero | tr "\\0" x; echo; echo done',
    });
    at.deaf = true;
    await at.untilOffset(512 * 1024);
    const other = await sit();
    await other.until('ready> ');
    other.type('exit\n');
    await other.ended();
    expect(at.offset).toBeLessThan(1_500_000);
    at.deaf = false;
    at.send({ type: 'ack', offset: at.offset });
    await at.ended();
    expect(at.offset).toBe(3_000_000 + '\r\ndone\r\n'.length);
    expect(at.screen().endsWith('done\r\n')).toBe(true);
  });

  it('answers in little time', async () => {
    const at = await sit({ type: 'open', rows: 24, cols: 80, command: 'stty -icanon -echo; echo up; cat' });
    await at.until('up');
    const times: number[] = [];
    for (let i = 0; i < 20; i++) {
      const began = performance.now();
      const key = `<${i}>`;
      at.type(key);
      await at.until(key);
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    process.stdout.write(`echo: median ${times[10]?.toFixed(1)} ms, worst ${times[19]?.toFixed(1)} ms\n`);
    at.send({ type: 'close' });
    await at.ended();
  });
});

describe('who may', () => {
  it('[terminal-4] is asked before, and again while it is open: no credentials, another site, another role', async () => {
    expect(await refusal({})).toEqual({ status: 401, code: 'unauthenticated' });
    expect(await refusal({ headers: { authorization: 'Bearer vmo_wrong' } })).toMatchObject({ status: 401 });
    expect(await refusal({ headers: bearer(), org: 'other' })).toMatchObject({ status: 404 });
    expect(await refusal({ headers: bearer(), protocol: 'other' })).toMatchObject({ status: 400 });
    const { admin_user: username, admin_password: password } = orchestrator.credentials;
    const login = await orchestrator.call({
      path: '/api/v1/session',
      body: { username, password },
      token: null,
      headers: { origin: orchestrator.url },
    });
    const cookie = String(login.headers['set-cookie']).split(';', 1)[0] ?? '';
    const own = { cookie, origin: orchestrator.url };
    expect(await refusal({ headers: { cookie } })).toMatchObject({ code: 'origin_refused' });
    expect(await refusal({ headers: { cookie, origin: 'https://evil.example' } })).toMatchObject({
      code: 'origin_refused',
    });
    const at = await sit(SHELL, own);
    await at.until('ready> ');
    await orchestrator.call({
      method: 'DELETE',
      path: '/api/v1/session',
      token: null,
      headers: own,
    });
    expect(await at.ended()).toMatchObject({ reason: 'access_ended' });
  });

  it('[terminal-5] may use what he opened; another person’s terminal does not exist for him', async () => {
    const at = await sit();
    await at.until('ready> ');
    const other = await sit(
      { type: 'attach', id: at.id as never, rows: 24, cols: 80 },
      person('operator').headers,
    );
    expect(await other.message('error')).toMatchObject({ code: 'not_found' });
    expect(await other.closed).toBe(4101);
    at.send({ type: 'close' });
    await at.closed;
  });

  it('[terminal-4] is an operator: a viewer is refused, and who becomes one loses the terminal that is open', async () => {
    expect(await refusal({ headers: person('viewer').headers })).toMatchObject({
      status: 403,
      code: 'forbidden',
    });
    expect(await refusal({ headers: person('approver').headers })).toMatchObject({ status: 403 });
    const operator = person('operator');
    const at = await sit(SHELL, operator.headers);
    await at.until('ready> ');
    operator.become('viewer');
    expect(await at.ended()).toMatchObject({ reason: 'access_ended' });
    const seen = await orchestrator.call({
      path: '/api/v1/organizations/default/recordings',
      token: null,
      headers: operator.headers,
    });
    expect(seen.status).toBe(403);
  });

  it('cannot open one as a job, which nobody would record', async () => {
    const answer = await api('jobs', {
      body: { selector: 'all', tool: 'open_terminal', arguments: { rows: 24, cols: 80 } },
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  });
});

describe('a recording', () => {
  it('[terminal-6] holds what was shown and not what was typed, for its owner’s eyes alone', async () => {
    const at = await sit();
    await at.until('ready> ');
    at.type('stty -echo; echo pass""word:; read secret; stty echo; echo sho""wn\n');
    await at.until('password:\r\n');
    at.type('hunter2\n');
    await at.until('shown\r\n');
    at.send({ type: 'resize', rows: 40, cols: 132 });
    at.type('exit\n');
    await at.ended();
    const path = join(orchestrator.dataDir, 'recordings');
    // People are told of the end before the recording is safely on the disk, which the row waits for.
    await expect
      .poll(async () => (await api(`recordings?agent=${vmId}&limit=1`)).body)
      .toMatchObject({ items: [{ id: at.id, vm_id: vmId, end_reason: 'exit' }] });
    const cast = await orchestrator.call({ path: `/api/v1/organizations/default/recordings/${at.id}/cast` });
    expect(cast.headers).toMatchObject({
      'content-type': 'application/x-asciicast',
      'content-disposition': `attachment; filename="${at.id}.cast"`,
      'content-security-policy': expect.stringMatching(/^sandbox;/),
    });
    const [header = '', ...lines] = cast.text.trimEnd().split('\n');
    expect(JSON.parse(header)).toMatchObject({ version: 2, width: 80, height: 24 });
    const events = lines.map((line) => JSON.parse(line) as [number, string, string]);
    const output = events.flatMap(([, type, text]) => (type === 'o' ? [text] : [])).join('');
    expect(output).toBe(at.screen());
    expect(cast.text).not.toContain('hunter2');
    expect(events.filter(([, type]) => type === 'r')).toMatchObject([[expect.any(Number), 'r', '132x40']]);
    expect(await audited('recording.read', at.id)).toHaveLength(1);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    const { stdout: found } = await promisify(execFile)('find', [path, '-name', `${at.id}.cast`]);
    expect(statSync(found.trim()).mode & 0o777).toBe(0o600);

    expect((await api(`recordings/${at.id}`, { method: 'DELETE' })).status).toBe(204);
    expect((await api(`recordings/${at.id}`)).status).toBe(404);
    expect(await audited('recording.delete', at.id)).toHaveLength(1);
  });

  it('[terminal-7] survives a kill of the orchestrator up to what was shown, and the terminal ends', async () => {
    const at = await sit();
    await at.until('ready> ');
    at.type('echo la""st; echo "pid=$$."\n');
    await at.until(/pid=\d+\./);
    const pid = Number(/pid=(\d+)\./.exec(at.screen())?.[1]);
    const shown = at.screen();
    const { url, dataDir, credentials } = orchestrator;
    // Acknowledged to the agent means handed to the system; the last frame may be a moment behind.
    await orchestrator.call({ path: `/api/v1/organizations/default/recordings/${at.id}` });
    await orchestrator.kill();
    const file = (await promisify(execFile)('find', [dataDir, '-name', `${at.id}.cast`])).stdout.trim();
    const [, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
    const output = lines.map((line) => (JSON.parse(line) as [number, string, string])[2]).join('');
    // What came after the look at the screen may be there as well.
    expect(output.slice(0, shown.length)).toBe(shown);
    orchestrator = await startOrchestrator({ dataDir, credentials, listen: new URL(url).host });
    expect((await api(`recordings/${at.id}`)).body).toMatchObject({ end_reason: 'orchestrator_stopped' });
    await expect
      .poll(
        () => {
          try {
            return process.kill(pid, 0);
          } catch {
            return false;
          }
        },
        { timeout: 40_000 },
      )
      .toBe(false);
  });
});
