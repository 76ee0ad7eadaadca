// `systemctl reload vm-agent` on an enrolled machine, and what its log and journal show.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bootMachine, type Machine } from './harness/machine.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';

const CONFIG = '/opt/vm-agent/config/agent_config.yaml';
const LOG = '/var/log/vm-agent/agent.log';

let machine: Machine;
let orchestrator: HostOrchestrator;
let installed: string;

const only = async () => (await orchestrator.agents())[0];

beforeAll(async () => {
  machine = await bootMachine({ hostname: 'web-1' });
  orchestrator = await serve({ address: machine.hostAddress });
  const { one_liner } = await orchestrator.createToken();
  await machine.runOk(['bash'], { input: `${one_liner}\n`, timeoutMs: 120_000 });
  await machine.waitFor('the agent online', async () => (await only())?.online);
  installed = (await machine.readFile(CONFIG)).toString();
});
afterAll(async () => {
  await orchestrator?.dispose();
  await machine?.dispose();
});

const pid = async () => (await machine.runOk('systemctl show -P MainPID vm-agent')).out;

const logged = async (): Promise<Record<string, unknown>[]> =>
  (await machine.readFile(LOG))
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** Adds to the installed configuration, reloads, and gives back what that logged. */
async function reload(more: string): Promise<Record<string, unknown>[]> {
  // Written over, so that owner and mode stay.
  await machine.runOk(['sh', '-c', 'cat >"$1"', 'sh', CONFIG], { input: `${installed}\n${more}` });
  const before = (await logged()).length;
  await machine.runOk(['systemctl', 'reload', 'vm-agent']);
  return machine.waitFor('the end of the reload', async () => {
    const lines = (await logged()).slice(before);
    const ended = lines.some(
      ({ level, module, msg }) =>
        msg === 'the configuration was reloaded' || (level === 'error' && module === 'config'),
    );
    return ended ? lines : undefined;
  });
}

const status = async () =>
  JSON.parse((await machine.run(['curl', '-s', 'http://127.0.0.1:8080/health'])).out).status;

describe('systemctl reload vm-agent', () => {
  it('changes levels of the log on the process and the connection that stand', async () => {
    const before = { pid: await pid(), connectedAt: (await only())?.connected_at };
    const lines = await reload('logging: {level: DEBUG, modules: {channel: ERROR}}\n');
    expect(lines.filter(({ setting }) => setting !== undefined)).toEqual([
      expect.objectContaining({ setting: 'logging.level', from: 'INFO', to: 'DEBUG' }),
      expect.objectContaining({ setting: 'logging.modules.channel', to: 'ERROR' }),
    ]);
    await machine.run(['curl', '-s', '--tls-max', '1.2', '-k', `https://127.0.0.1:8080/health`]);
    await machine.waitFor('a line of level debug', async () =>
      (await logged()).some(({ level }) => level === 'debug'),
    );
    expect({ pid: await pid(), connectedAt: (await only())?.connected_at }).toEqual(before);
    expect((await only())?.online).toBe(true);
  });

  it('keeps what is in force when the file is not valid, degraded until it is, and tells the journal why', async () => {
    const before = { pid: await pid(), connectedAt: (await only())?.connected_at };
    await reload('tools: {shell_executor: {timout: 5}}\n');
    expect(await status()).toBe('degraded');
    const errors = await machine.runOk('journalctl -u vm-agent -p err -o cat --no-pager');
    expect(errors.out).toContain('tools.shell_executor.timout: unknown key');
    const { code, out } = await orchestrator.cli(['run', '--', 'echo works']);
    expect({ code, out }).toEqual({ code: 0, out: 'works\n' });
    await reload('');
    expect(await status()).toBe('healthy');
    expect({ pid: await pid(), connectedAt: (await only())?.connected_at }).toEqual(before);
  });

  it('names settings that wait for a restart', async () => {
    const lines = await reload('security: {mtls: false}\n');
    expect(lines).toContainEqual(expect.objectContaining({ level: 'warn', settings: ['security.mtls'] }));
    await reload('');
  });
});

describe('the log of the service', () => {
  it('is text with priorities in the journal, under the name of the unit', async () => {
    const { out } = await machine.runOk('journalctl -u vm-agent -t vm-agent -p info -o json --no-pager');
    const entries: Record<string, string>[] = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const connected = entries.find(({ MESSAGE }) =>
      MESSAGE?.startsWith('channel: connected to the orchestrator'),
    );
    expect(connected).toMatchObject({ PRIORITY: '6', SYSLOG_IDENTIFIER: 'vm-agent' });
    const priorities = new Set(entries.map(({ PRIORITY }) => PRIORITY));
    expect([...priorities].toSorted()).toEqual(expect.arrayContaining(['3', '4', '6']));
    expect(entries.filter(({ MESSAGE }) => MESSAGE?.startsWith('{'))).toEqual([]);
  });

  it('is JSON in agent.log, closed to others, and goes on after logrotate moved the file', async () => {
    for (const line of await logged())
      expect(line).toMatchObject({
        time: expect.any(String),
        module: expect.any(String),
        msg: expect.any(String),
      });
    await machine.runOk(['mv', LOG, `${LOG}.moved`]);
    await machine.runOk(['systemctl', 'reload', 'vm-agent']);
    await machine.waitFor('the file', async () => (await machine.exists(LOG)) && (await logged()).length > 0);
    expect((await machine.stat(LOG)).mode).toMatch(/^06[04]0$/);
    await machine.runOk(['rm', LOG]);
    await machine.runOk(['systemctl', 'reload', 'vm-agent']);
    await machine.waitFor('the file', () => machine.exists(LOG));
  });
});
