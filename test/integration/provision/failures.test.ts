// What can go wrong at an installation: each with its own message and exit code, and none in the way of a later run.
import { execFileSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTempHome } from '../../fakes/temp-home.ts';
import { createToken } from '../support/enroll.ts';
import { CLI, runProgram, SETUP, setupWords } from '../support/installer.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
});
afterAll(async () => {
  await orchestrator?.stop();
});

const isRoot = process.getuid?.() === 0;
/** `Date.now` a day later than it is. */
const tomorrow = `data:text/javascript,const now=Date.now;Date.now=()=>now()+864e5`;

const install = (
  home: string,
  token: string,
  options: { url?: string; more?: string[]; node?: string[] } = {},
) =>
  runProgram(setupWords({ url: options.url ?? orchestrator.url, home, ...options }), { input: `${token}\n` });

/** The later run, which must succeed in the very place where the first one failed. */
async function expectLaterRunWorks(home: string, token: string): Promise<void> {
  expect(await install(home, token)).toMatchObject({ code: 0, err: '' });
}

describe('[enroll-5] the installer fails with words and a number of its own', () => {
  it('for a token that nobody made', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    const { code, err } = await install(home.path, token.replace(/_[a-z0-9]{40}_/, `_${'x'.repeat(40)}_`));
    expect(code).toBe(14);
    expect(err).toMatch(/Registration: .*not known/);
    expect(err).toMatch(/what to do: .*token create/);
    await expectLaterRunWorks(home.path, token);
  });

  it('for a token that another machine has used', async () => {
    await using other = await createTempHome();
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    expect((await install(other.path, token)).code).toBe(0);
    const { code, err } = await install(home.path, token);
    expect(code).toBe(15);
    expect(err).toMatch(/already used/);
    expect(err).toMatch(/what to do: .*token create/);
    await expectLaterRunWorks(home.path, (await createToken(orchestrator)).token);
  });

  it('for a token that has expired', async () => {
    await using home = await createTempHome();
    const { token, id } = await createToken(orchestrator);
    const database = new DatabaseSync(join(orchestrator.dataDir, 'orchestrator.db'));
    database.prepare('UPDATE provisioning_tokens SET expires_at = 1 WHERE id = ?').run(id);
    database.close();
    const { code, err } = await install(home.path, token);
    expect(code).toBe(16);
    expect(err).toMatch(/expired/);
    expect(err).toMatch(/what to do: .*token create/);
  });

  it('[enroll-1] for a CA that the token does not name, to which it sends nothing', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    const { code, err } = await install(home.path, token.replace(/[0-9a-f]{32}$/, '0'.repeat(32)));
    expect(code).toBe(13);
    expect(err).toMatch(/CA certificate: The CA of .* is not the one that the token names.*Nothing was sent/);
    expect(orchestrator.log()).not.toContain('/api/v1/agents/register');
    await expectLaterRunWorks(home.path, token);
  });

  it('for a server that cannot be reached', async () => {
    await using home = await createTempHome();
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    );
    await new Promise((resolve) => server.close(resolve));
    const { token } = await createToken(orchestrator);
    const { code, err } = await install(home.path, token, { url: `https://127.0.0.1:${port}` });
    expect(code).toBe(12);
    expect(err).toMatch(new RegExp(`https://127.0.0.1:${port} cannot be reached: nothing listens there`));
    expect(err).toMatch(/what to do: Check the port/);
    await expectLaterRunWorks(home.path, token);
  });

  it('for an address that is not https', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    const { code, err } = await install(home.path, token, { url: orchestrator.url.replace('https', 'http') });
    expect(code).toBe(11);
    expect(err).toContain(`Try --server-url ${orchestrator.url}`);
  });

  it('for a text that is no token, without repeating it', async () => {
    await using home = await createTempHome();
    const { code, err } = await install(home.path, 'hunter2');
    expect(code).toBe(14);
    expect(err).toMatch(/prov_/);
    expect(err).not.toContain('hunter2');
  });

  it('for an agent that was revoked, without a use of the token, and enrolls it anew when told to', async () => {
    await using home = await createTempHome();
    expect((await install(home.path, (await createToken(orchestrator)).token)).code).toBe(0);
    const agentId = (await readFile(home.join('security/agent_id'), 'utf8')).trim();
    const path = `/api/v1/organizations/default/agents/${agentId}`;
    expect((await orchestrator.call({ method: 'DELETE', path })).status).toBeLessThan(300);

    const { token } = await createToken(orchestrator);
    const { code, err } = await install(home.path, token);
    expect(code).toBe(29);
    expect(err).toMatch(/This machine's agent vm-\S+ was revoked/);
    expect(err).toMatch(/what to do: .*vm-agent install --force-reinstall --token-stdin/);
    expect(err.split('\n').length).toBeLessThan(6);

    const tried = await runProgram([process.execPath, CLI, 'test-connection', '--home', home.path]);
    expect(tried.code).toBe(1);
    const revoked = tried.out.split('\n').filter((line) => /was revoked/.test(line));
    expect(revoked.map((line) => line.split(/ +/)[1])).toEqual(['identity']);
    expect(tried.out).toMatch(/→ Make a new token .*vm-agent install --force-reinstall --token-stdin/);
    expect(tried.out).not.toMatch(/network|firewall/);

    expect(await install(home.path, token, { more: ['--force-reinstall'] })).toMatchObject({
      code: 0,
      err: '',
    });
  });

  it('for a clock that is off by a day, naming both times', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    const { code, err } = await install(home.path, token, { node: ['--import', tomorrow] });
    expect(code).toBe(19);
    expect(err).toMatch(/clock says \d{4}-.*orchestrator's says \d{4}-.*1\.0 days ahead/);
    expect(err).toMatch(/what to do: Set the clock/);
    await expectLaterRunWorks(home.path, token);
  });

  it.runIf(isRoot)('without root, where the whole system is meant', async () => {
    // Node and the checkout must be readable to nobody, as they are to any user of this machine.
    const words = [process.execPath, SETUP, '--server-url', orchestrator.url, '--token-stdin'];
    const { token } = await createToken(orchestrator);
    const { code, err } = await runProgram(words, { input: token, uid: 65_534 });
    expect(code).toBe(10);
    expect(err).toMatch(/needs root/);
    expect(err).toMatch(/what to do: .*sudo.*--user/);
  });

  it.runIf(isRoot)('for a disk that is full, and goes on when there is room', async () => {
    await using home = await createTempHome();
    const place = home.join('small');
    await mkdir(place);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', place]);
    const { token } = await createToken(orchestrator);
    try {
      const { code, err } = await install(place, token);
      expect(code).toBe(20);
      expect(err).toMatch(/Runtime: .*small needs \d+ MB of free space and has \d+ MB/);
      expect(err).toMatch(/what to do: Free some space/);
      execFileSync('mount', ['-o', 'remount,size=400m', place]);
      await expectLaterRunWorks(place, token);
    } finally {
      execFileSync('umount', [place]);
    }
  });

  it('for a port that was asked for and is taken', async () => {
    await using home = await createTempHome();
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '0.0.0.0', () => resolve((server.address() as { port: number }).port)),
    );
    const { token } = await createToken(orchestrator);
    try {
      const { code, err } = await install(home.path, token, { more: ['--port', String(port)] });
      expect(code).toBe(24);
      expect(err).toMatch(new RegExp(`Port ${port} is taken`));
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    await expectLaterRunWorks(home.path, token);
  });
});
