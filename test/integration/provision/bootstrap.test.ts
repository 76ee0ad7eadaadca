// What /setup.sh does on a machine: nothing when it is cut off, and everything when it is whole.
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTempHome } from '../../fakes/temp-home.ts';
import { createToken } from '../support/enroll.ts';
import { BOOTSTRAP, runProgram } from '../support/installer.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

const TOOLS = ['curl', 'wget', 'mktemp', 'tar', 'gzip', 'sha256sum', 'id', 'uname', 'rm', 'mkdir', 'base64'];
const TOKEN = `prov_${'a'.repeat(12)}_${'b'.repeat(40)}_${'0'.repeat(32)}`;

describe('the bootstrap script', () => {
  it('starts nothing when it is cut off anywhere', async () => {
    await using home = await createTempHome();
    await mkdir(home.join('bin'));
    // Each tool notes that it was called: the script cannot look at the machine without one of them.
    for (const tool of TOOLS) {
      await writeFile(home.join('bin', tool), `#!/bin/sh\necho ${tool} >>"${home.join('called')}"\n`);
      await chmod(home.join('bin', tool), 0o755);
    }
    const whole = await readFile(BOOTSTRAP);
    const args = ['--server-url', 'https://127.0.0.1:9', '--user', '--token-stdin'];
    const run = async (bytes: Buffer) => {
      await writeFile(home.join('cut.sh'), bytes);
      const words = ['/bin/sh', home.join('cut.sh'), ...args];
      return runProgram(words, { input: TOKEN, env: { PATH: home.join('bin') } });
    };
    const called = () => readdir(home.path).then((names) => names.includes('called'));
    const lastLine = 'main "$@"\n'.length;
    const cuts = Array.from({ length: Math.floor((whole.length - lastLine) / 512) + 1 }, (_, i) => i * 512);
    for (const cut of [...cuts, whole.length - lastLine, whole.length - lastLine + 1]) {
      await run(whole.subarray(0, cut));
      expect(await called(), `cut at byte ${cut}`).toBe(false);
    }
    // The same tools notice the whole script, so the silence above means something.
    await run(whole);
    expect(await called()).toBe(true);
  });

  it('refuses before it downloads anything what cannot work', async () => {
    const run = (args: string[], input = TOKEN) => runProgram(['/bin/sh', BOOTSTRAP, ...args], { input });
    const url = 'https://127.0.0.1:9';
    expect(await run([])).toMatchObject({ code: 2, err: expect.stringContaining('--server-url') });
    expect(await run(['--server-url', 'http://o', '--user'])).toMatchObject({
      code: 11,
      err: expect.stringContaining('https://o'),
    });
    const noToken = await run(['--server-url', url, '--user', '--token-stdin'], 'hunter2\n');
    expect(noToken).toMatchObject({ code: 14, err: expect.stringContaining('prov_') });
    expect(noToken.err).not.toContain('hunter2');
    expect(await run(['--server-url', url, '--user', '--token-stdin'])).toMatchObject({
      code: 12,
      err: expect.stringMatching(/https:\/\/127\.0\.0\.1:9 cannot be reached/),
    });
    expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('--token-stdin') });
  });
});

describe('the bootstrap script and an orchestrator', () => {
  let orchestrator: OrchestratorProcess;
  beforeAll(async () => {
    orchestrator = await startOrchestrator();
  });
  afterAll(async () => {
    await orchestrator?.stop();
  });
  const served = async () => (await orchestrator.call({ path: '/setup.sh', token: null })).text;

  it('is served byte for byte', async () => {
    expect(await served()).toBe(await readFile(BOOTSTRAP, 'utf8'));
  });

  it('[enroll-1] finds the CA by the token alone, and installs from the signed release', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    const words = ['/bin/sh', '-s', '--', '--server-url', orchestrator.url, '--port', '0'];
    // As `curl … | sh -s -- …` does it: the script itself is stdin.
    const { code, out, err } = await runProgram(
      [...words, '--home', home.join('agent'), '--provisioning-token', token],
      { input: await served(), env: { TMPDIR: home.path } },
    );
    expect({ code, err: code === 0 ? '' : err }).toEqual({ code: 0, err: '' });
    expect(err).toMatch(/warning: a token in --provisioning-token/);
    expect(out).toMatch(/is enrolled as agt-/);
    // Nothing is left of the download.
    expect(await readdir(home.path)).toEqual(['agent']);
    const seal = await readFile(home.join('agent/current/INSTALLED'), 'utf8');
    expect(seal).toMatch(/^[0-9a-f]{64}\+[0-9a-f]{64}\n/);
  });

  it('[enroll-1] sends nothing to a server whose CA the token does not name', async () => {
    await using home = await createTempHome();
    const { token } = await createToken(orchestrator);
    const { code, err } = await runProgram(
      ['/bin/sh', BOOTSTRAP, '--server-url', orchestrator.url, '--token-stdin', '--home', home.join('agent')],
      { input: token.replace(/[0-9a-f]{32}$/, '0'.repeat(32)), env: { TMPDIR: home.path } },
    );
    expect(code).toBe(13);
    expect(err).toMatch(/is not the one that the token names; nothing was sent/);
    expect(await readdir(home.path)).toEqual([]);
  });
});
