// A machine that reaches its orchestrator through an HTTP proxy alone: its name resolves nowhere else.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startConnectProxy } from '../../fakes/connect-proxy.ts';
import { freePort } from '../../fakes/free-port.ts';
import { createTempHome } from '../../fakes/temp-home.ts';
import { createToken } from '../support/enroll.ts';
import { agentsOf, CLI, ended, runProgram, setupWords, startProgram } from '../support/installer.ts';
import { type OrchestratorProcess, startOrchestrator } from '../support/orchestrator.ts';

let orchestrator: OrchestratorProcess;
let url: string;

beforeAll(async () => {
  const port = await freePort();
  url = `https://fleet.invalid:${port}`;
  const started = await startOrchestrator({ listen: `127.0.0.1:${port}`, args: ['--public-url', url] });
  const direct = `https://127.0.0.1:${port}`;
  const { callOrchestrator } = await import('../support/orchestrator.ts');
  orchestrator = {
    ...started,
    call: (call) =>
      callOrchestrator({ url: direct, ca: started.ca }, { token: started.credentials.api_token, ...call }),
  };
});
afterAll(async () => {
  await orchestrator?.stop();
});

const secret = 'hunter2';

it('enrolls, connects and leaves through the proxy, which the agent knows from its configuration', async () => {
  await using proxy = await startConnectProxy({ credentials: `agent:${secret}` });
  await using home = await createTempHome();
  const root = home.join('agent');
  const { token } = await createToken(orchestrator);
  const installed = await runProgram(setupWords({ url, home: root, more: ['--debug'] }), {
    input: token,
    env: { HTTPS_PROXY: proxy.url, NO_PROXY: '.example.com' },
  });
  expect({ code: installed.code, text: installed.code === 0 ? '' : installed.err }).toEqual({
    code: 0,
    text: '',
  });
  expect(installed.out + installed.err).not.toContain(secret);
  expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(url).host]));
  expect(await readFile(join(root, 'config/agent_config.yaml'), 'utf8')).toContain('no_proxy: .example.com');

  // As a service: without the variables of the one who installed it.
  const before = proxy.tunnels.length;
  const agent = startProgram([join(root, 'current/bin/vm-agent'), 'server', '--home', root]);
  const stopped = ended(agent);
  if (agent.stdout === null) throw new Error('no stdout');
  for await (const line of createInterface({ input: agent.stdout }))
    if (/websocket: connected|"websocket","ok":true/.test(line)) break;
  expect(proxy.tunnels.length).toBeGreaterThan(before);
  const cli = (...words: string[]) => runProgram([process.execPath, CLI, ...words, '--home', root]);
  const tried = await cli('test-connection');
  expect({ code: tried.code, out: tried.code === 0 ? '' : tried.out }).toEqual({ code: 0, out: '' });
  expect((await cli('config', 'show')).out).not.toContain(secret);
  expect(await readFile(join(root, 'log/agent.log'), 'utf8')).not.toContain(secret);
  const removed = await cli('uninstall', '--yes');
  expect(removed.out).toContain('ended at the orchestrator');
  expect((await stopped).code).toBe(0);
  expect(await agentsOf(orchestrator)).toEqual([]);
});

it('says that the proxy asks for credentials, and shows none', async () => {
  await using proxy = await startConnectProxy({ credentials: 'agent:right' });
  await using home = await createTempHome();
  const { token } = await createToken(orchestrator);
  const { code, out, err } = await runProgram(setupWords({ url, home: home.path, more: ['--debug'] }), {
    input: token,
    env: { HTTPS_PROXY: proxy.url.replace('right', secret) },
  });
  expect(code).toBe(12);
  expect(err).toMatch(/407: it asks for a user and a password/);
  expect(err).toContain('HTTPS_PROXY');
  expect(out + err).not.toContain(secret);
  expect(proxy.tunnels).toEqual([]);
});

it('goes past the proxy where NO_PROXY says so', async () => {
  await using proxy = await startConnectProxy();
  await using home = await createTempHome();
  const { token } = await createToken(orchestrator);
  const env = { HTTPS_PROXY: proxy.url, NO_PROXY: '.invalid' };
  const { code, err } = await runProgram(setupWords({ url, home: home.path }), { input: token, env });
  expect(code).toBe(12);
  expect(err).toContain('fleet.invalid');
  expect(proxy.tunnels).toEqual([]);
});
