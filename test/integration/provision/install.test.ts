// The real installer against a real orchestrator, in user mode: enrolled, repeated, interrupted, replaced.
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readCredentials } from '../../../agent/identity/credentials.ts';
import { diskLayout } from '../../../protocol/disk-layout.ts';
import { createTempHome } from '../../fakes/temp-home.ts';
import { createToken } from '../support/enroll.ts';
import { agentsOf, CLI, ended, runProgram, setupWords, startProgram } from '../support/installer.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
beforeAll(async () => {
  orchestrator = await startOrchestrator();
});
afterAll(async () => {
  await orchestrator?.stop();
});

/** Path, mode and time of change of everything below a folder. */
async function snapshot(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const lines = names.sort().map(async (name) => {
    const { mode, mtimeMs, size } = await stat(join(folder, name));
    return `${name} ${mode.toString(8)} ${mtimeMs} ${size}`;
  });
  return Promise.all(lines);
}

/** The installed agent, connected. */
async function startAgent(home: string) {
  const child = startProgram([join(home, 'current/bin/vm-agent'), 'server', '--home', home]);
  const stopped = ended(child);
  if (child.stdout === null) throw new Error('no stdout');
  for await (const line of createInterface({ input: child.stdout })) {
    if (/websocket: connected|"websocket","ok":true/.test(line)) break;
  }
  return { child, stopped };
}

const words = (home: string, more: string[] = []) => setupWords({ url: orchestrator.url, home, more });

describe('the installer in user mode', () => {
  it('[enroll-4] enrolls, sees the agent online, and changes nothing the second time', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    const first = await runProgram(words(home.path, ['--label', 'rack=b12']), { input: `${token}\n` });
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/\[10\/10\] Verification: done/);
    expect(first.out).toContain(`vm-agent server --home ${home.path}`);
    expect(first.out).not.toContain(token);

    const before = await snapshot(home.path);
    const second = await runProgram(words(home.path), {
      input: `${(await createToken(orchestrator)).token}\n`,
    });
    expect(second).toMatchObject({ code: 0, err: '' });
    expect(second.out).toMatch(/Nothing to do/);
    expect(await snapshot(home.path)).toEqual(before);
  });

  it('[secret-1] keeps secrets to their owner and the token out of every file', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    expect((await runProgram(words(home.path), { input: token })).code).toBe(0);
    const mode = async (name: string) => (await stat(home.join(name))).mode & 0o777;
    expect(await mode('security')).toBe(0o700);
    expect(await mode('security/vm_agent.key')).toBe(0o600);
    expect(await mode('security/api_key')).toBe(0o600);
    expect((await readdir(home.join('security'))).sort()).toEqual([
      'agent_id',
      'api_key',
      'ca.crt',
      'vm_agent.crt',
      'vm_agent.csr',
      'vm_agent.key',
      'vm_id',
      'websocket_url',
    ]);
    const secret = token.split('_')[2] ?? token;
    for (const folder of ['security', 'trust', 'config', 'log', 'state']) {
      for (const name of await readdir(home.join(folder))) {
        if (!(await stat(home.join(folder, name))).isFile()) continue;
        expect(await readFile(home.join(folder, name), 'utf8'), name).not.toContain(secret);
      }
    }
  });

  it('goes on after a kill -9 at each of its steps, with one use of the token and one agent', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    const agents = (await agentsOf(orchestrator)).length;
    const killedAt: string[] = [];
    for (let step = 1; step <= 10; step++) {
      const child = startProgram(words(home.path), { input: `${token}\n` });
      const exit = ended(child);
      if (child.stdout === null) throw new Error('no stdout');
      for await (const line of createInterface({ input: child.stdout })) {
        if (!line.startsWith(`[${step}/10]`) || !line.endsWith(' ...')) continue;
        killedAt.push(line);
        child.kill('SIGKILL');
      }
      expect((await exit).code).toBeNull();
    }
    expect(killedAt).toHaveLength(10);
    const last = await runProgram(words(home.path), { input: `${token}\n` });
    expect(last).toMatchObject({ code: 0, err: '' });
    const now = await agentsOf(orchestrator);
    expect(now).toHaveLength(agents + 1);
    const vmId = (await readFile(home.join('security/vm_id'), 'utf8')).trim();
    expect(now.some(({ vm_id }) => vm_id === vmId)).toBe(true);
  });

  it('replaces the identity with --force-reinstall, and keeps logs and configuration', async () => {
    await using home = await createTempHome();
    expect(
      (await runProgram(words(home.path), { input: (await createToken(orchestrator)).token })).code,
    ).toBe(0);
    const agentId = await readFile(home.join('security/agent_id'), 'utf8');
    const config = home.join('config/agent_config.yaml');
    await writeFile(config, `# mine\n${await readFile(config, 'utf8')}`);
    await writeFile(home.join('log/kept.log'), 'kept');
    const policy = home.join('config/policy.yaml');
    await writeFile(policy, `# tightened\n${await readFile(policy, 'utf8')}`);
    const again = await runProgram(words(home.path, ['--force-reinstall']), {
      input: (await createToken(orchestrator)).token,
    });
    expect(again).toMatchObject({ code: 0, err: '' });
    const next = await readFile(home.join('security/agent_id'), 'utf8');
    expect(next).not.toBe(agentId);
    expect(await readFile(policy, 'utf8')).toContain('# tightened');
    const text = await readFile(config, 'utf8');
    expect(text).toContain('# mine');
    expect(text).toContain(next.trim());
    expect(await readFile(home.join('log/kept.log'), 'utf8')).toBe('kept');
  });

  it('keeps a healthy agent and its identity when --force-reinstall is given a token that is used', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    expect((await runProgram(words(home.path), { input: token })).code).toBe(0);
    const agent = await startAgent(home.path);
    const before = [...(await snapshot(home.join('security'))), ...(await snapshot(home.join('trust')))];
    const again = await runProgram(words(home.path, ['--force-reinstall']), { input: token });
    expect(again).toMatchObject({ code: 15, err: expect.stringMatching(/already used/) });
    expect([...(await snapshot(home.join('security'))), ...(await snapshot(home.join('trust')))]).toEqual(
      before,
    );
    const status = await runProgram([process.execPath, CLI, 'status', '--json', '--home', home.path]);
    expect(JSON.parse(status.out)).toMatchObject({
      running: true,
      health: { status: 'healthy', websocket_connected: true },
      info: { runtime: { pid: agent.child.pid } },
    });

    // A token that is good then takes the agent from under the old identity.
    const next = await runProgram(words(home.path, ['--force-reinstall']), {
      input: (await createToken(orchestrator)).token,
    });
    expect(next).toMatchObject({ code: 0, err: '' });
    expect(next.out).toContain(`The agent that ran here (pid ${agent.child.pid}) was stopped`);
    expect((await agent.stopped).code).toBe(0);
    expect(await readdir(home.path)).not.toContain('identity.new');
    expect(await readdir(home.path)).not.toContain('identity.granted');
  });

  it('goes on after a kill -9 at each step of a forced reinstallation, with one more agent', async () => {
    await using home = await createTempHome();
    const first = await createToken(orchestrator);
    expect((await runProgram(words(home.path), { input: first.token })).code).toBe(0);
    const { token } = await createToken(orchestrator);
    const agents = (await agentsOf(orchestrator)).length;
    const old = await readFile(home.join('security/agent_id'), 'utf8');
    const steps = [
      'Runtime',
      'CA certificate',
      'VM id',
      'API key',
      'Key and certificate request',
      'Registration',
      'Signed certificate',
      'Change to the new identity',
      'Configuration, user and permissions',
      'Verification',
    ];
    for (const step of steps) {
      const child = startProgram(words(home.path, ['--force-reinstall']), { input: `${token}\n` });
      const exit = ended(child);
      if (child.stdout === null) throw new Error('no stdout');
      for await (const line of createInterface({ input: child.stdout })) {
        if (line.endsWith(`] ${step} ...`)) child.kill('SIGKILL');
      }
      expect((await exit).code, step).toBeNull();
      // Whole, whichever it is: what the daemon reads fits together.
      const { agentId } = await readCredentials(diskLayout(home.path));
      if (steps.indexOf(step) <= steps.indexOf('Signed certificate')) expect(agentId).toBe(old.trim());
    }
    const last = await runProgram(words(home.path, ['--force-reinstall']), { input: `${token}\n` });
    expect(last).toMatchObject({ code: 0, err: '' });
    expect(await agentsOf(orchestrator)).toHaveLength(agents + 1);
    expect(await readFile(home.join('security/agent_id'), 'utf8')).not.toBe(old);
  });

  it('says in a dry run what it would do, and makes no file', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    const { code, out } = await runProgram(words(home.join('new'), ['--dry-run']), { input: token });
    expect(code).toBe(0);
    expect(out).toMatch(/\[7\/10\] Registration: would be done/);
    expect(await readdir(home.path)).toEqual([]);
  });

  it('leaves an agent that status, exec and test-connection can be tried on', async () => {
    await using home = await createTempHome();
    await mkdir(home.path, { recursive: true });
    const { token } = await createToken(orchestrator);
    expect((await runProgram(words(home.path), { input: token })).code).toBe(0);
    const cli = (...more: string[]) => runProgram([process.execPath, CLI, ...more, '--home', home.path]);
    expect(await cli('status')).toMatchObject({ code: 3, out: expect.stringMatching(/^not running/) });
    const { child, stopped } = await startAgent(home.path);
    const status = await cli('status', '--json');
    expect(status.code).toBe(0);
    expect(JSON.parse(status.out)).toMatchObject({ running: true, health: { status: 'healthy' } });
    const tested = await cli('test-connection', '--json');
    expect(JSON.parse(tested.out)).toMatchObject({ ok: true });
    expect(JSON.parse(tested.out).checks.map(({ name }: { name: string }) => name)).toEqual([
      'name',
      'TCP',
      'CA',
      'clock',
      'TLS',
      'registration',
      'identity',
      'WebSocket',
    ]);
    const diagnosed = JSON.parse((await cli('diagnose', '--json')).out);
    expect(diagnosed).toMatchObject({ ok: true, cause: null, counts: { warn: 0, fail: 0 } });
    child.kill('SIGTERM');
    expect((await stopped).code).toBe(0);
    const stoppedOne = await cli('diagnose', '--json');
    expect(stoppedOne.code).toBe(1);
    expect(JSON.parse(stoppedOne.out)).toMatchObject({ cause: { id: 'agent' }, counts: { fail: 1 } });
    const executed = await runProgram([
      process.execPath,
      CLI,
      'exec',
      '--home',
      home.path,
      '--',
      'echo out; echo err >&2; exit 7',
    ]);
    expect(executed).toEqual({ code: 7, out: 'out\n', err: 'err\n' });
  });
});
