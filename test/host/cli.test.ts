// The command on an enrolled machine: as root, and as somebody who may nothing.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { bootMachine, type Machine } from './harness/machine.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';

let machine: Machine;
let orchestrator: HostOrchestrator;

beforeAll(async () => {
  machine = await bootMachine({ hostname: 'cli-1' });
  orchestrator = await serve({ address: machine.hostAddress });
  const { one_liner } = await orchestrator.createToken();
  const { code, out, err } = await machine.run(['bash'], { input: `${one_liner}\n`, timeoutMs: 120_000 });
  if (code !== 0) throw new Error(`not enrolled: ${out}${err}`);
  await machine.runOk(['useradd', '--create-home', 'ana']);
  await machine.runOk(
    'seq -f "2026-11-23 10:00:00 status installed package-%g:amd64 1.0" 1500 > /var/log/dpkg.log',
  );
});
afterAll(async () => {
  await orchestrator?.dispose();
  await machine?.dispose();
});

describe('vm-agent, as root', () => {
  it('runs a quoted command with a time limit behind it', async () => {
    const { code, out } = await machine.run(['vm-agent', 'exec', 'ps aux', '--timeout', '60']);
    expect(code).toBe(0);
    expect(out).toMatch(/^USER +PID/);
    expect(out).toMatch(/^vm-agent .*vm-agent\.mjs server/m);
  });

  it('lists a folder that the agent may see, and says why where it may not', async () => {
    const { code, out } = await machine.run(['vm-agent', 'ls', '/var/log']);
    expect({ code, named: /^-\d+ .* dpkg\.log$/m.test(out) }).toEqual({ code: 0, named: true });
    const shut = await machine.run(['vm-agent', 'ls', '/root']);
    expect(shut.code).not.toBe(0);
    expect(shut.err).toMatch(/\/root/);
  });

  it('shows the metrics of this machine', async () => {
    const { code, out } = await machine.run(['vm-agent', 'metrics']);
    expect(code).toBe(0);
    expect(out).toMatch(/^host +cli-1, up /);
    expect(out).toMatch(/^cpu +.* cores/m);
    const { processes } = JSON.parse(
      (await machine.runOk(['vm-agent', 'metrics', '--json', '--top', '200'])).out,
    );
    const own = processes.find((p: { command: string }) => p.command.includes('vm-agent.mjs server'));
    expect(own).toMatchObject({ user: 'vm-agent', unit: 'vm-agent.service' });
  });

  it('prints the last thousand lines of a log', async () => {
    const { out } = await machine.runOk(['vm-agent', 'logs', '/var/log/dpkg.log', '--lines', '1000']);
    expect(out).toBe((await machine.runOk(['tail', '-n', '1000', '/var/log/dpkg.log'])).out);
    expect((await machine.runOk(['vm-agent', 'logs', '/var/log/dpkg.log', '--analyze'])).out).toMatch(
      /^lines +100/,
    );
  });

  it('finds every endpoint and every tool of the agent in order', async () => {
    const { code, out, err } = await machine.run(['vm-agent', 'test'], { timeoutMs: 120_000 });
    expect({ code, failed: out.split('\n').filter((line) => line.startsWith('FAIL')), err }).toEqual({
      code: 0,
      failed: [],
      err: '',
    });
    expect(out).toMatch(/\d{2} work, 0 fail, 0 skipped\n$/);
  });

  it('shows the configuration and the status', async () => {
    expect((await machine.runOk(['vm-agent', 'config'])).out).toMatch(/^server:$/m);
    const { code, out } = await machine.run(['vm-agent', 'status']);
    expect({ code, healthy: /^status +healthy$/m.test(out) }).toEqual({ code: 0, healthy: true });
  });
});

describe('vm-agent exec, as root', () => {
  it('[executor-3] has commands run in units of their own, as itself, and in the audit log', async () => {
    const { code, out, err } = await machine.run(
      'cd /srv && CANARY=own vm-agent exec -- "id -u; pwd; echo \\$CANARY; grep ^0: /proc/self/cgroup; echo e >&2; exit 7"',
    );
    expect({ code, err }).toEqual({ code: 7, err: 'e\n' });
    expect(out.split('\n')).toEqual([
      '0',
      '/srv',
      'own',
      expect.stringMatching(/vmagent\.slice\/vm-agent-cmd-/),
      '',
    ]);
    const { out: audit } = await machine.runOk(['vm-agent', 'audit', '--json']);
    expect(audit).toMatch(/command\.taken[^\n]*"grant":\s*"root"/);
    expect(audit).not.toContain('CANARY');
  });

  it('ends everything with Ctrl-C, and with the time limit', async () => {
    const started = machine.start(['vm-agent', 'exec', '--', 'setsid sleep 4713 & sleep 4713']);
    const sleeping = async () => (await machine.run(['pgrep', '-f', '^sleep 4713'])).code === 0;
    await machine.waitFor('the command', sleeping);
    await machine.runOk("pkill -INT -f 'vm-agent[.]mjs exec'");
    const [status] = await once(started.child, 'exit');
    expect(status).toBe(130);
    expect(await sleeping()).toBe(false);
    const late = await machine.run(['vm-agent', 'exec', '--timeout', '1', '--', 'sleep 4713']);
    expect(late.code).toBe(124);
    expect(await sleeping()).toBe(false);
  });

  it('may have longer than is usual on this VM', async () => {
    const config = '/opt/vm-agent/config/agent_config.yaml';
    await machine.runOk(
      `cp -p ${config} /root/config && printf '\ntools:\n  shell_executor:\n    timeout: 1\n' >>${config}`,
    );
    expect((await machine.run(['vm-agent', 'exec', '--', 'sleep 2; echo no'])).code).toBe(124);
    const { out } = await machine.runOk(['vm-agent', 'exec', '--timeout', '60', '--', 'sleep 2; echo yes']);
    expect(out).toBe('yes\n');
    await machine.runOk(`cp -p /root/config ${config}`);
  });
});

describe('a command in the background', () => {
  it('is cancelled at whatever moment of its start it is stopped', async () => {
    const own = (name: string) => readFile(join(import.meta.dirname, 'support', name));
    await machine.writeFile('/root/stop/client.mjs', await readFile(join(ROOT, 'dist/client.mjs')));
    await machine.writeFile('/root/stop/stop-early.mjs', await own('stop-early.mjs'));
    const node = '/opt/vm-agent/current/runtime/node';
    const { out } = await machine.runOk([node, '/root/stop/stop-early.mjs'], { timeoutMs: 120_000 });
    expect(JSON.parse(out)).toEqual(['cancelled']);
  });
});

describe('vm-agent, as a user without rights', () => {
  const asUser = (...words: string[]) => machine.run(['runuser', '-u', 'ana', '--', 'vm-agent', ...words]);
  const key = '/opt/vm-agent/security/api_key';
  const config = '/opt/vm-agent/config/agent_config.yaml';

  it.each([
    ['exec', ['exec', 'ps aux', '--timeout', '60'], config],
    ['ls', ['ls', '/var/log'], key],
    ['metrics', ['metrics'], key],
    ['test', ['test'], key],
    ['config', ['config'], config],
  ])('names the file that may not be read, and what to do: %s', async (_name, words, file) => {
    const { code, out, err } = await asUser(...words);
    expect(code).not.toBe(0);
    expect(out).toBe('');
    expect(err).toContain(`You may not read`);
    expect(err).toContain(file);
    expect(err).toMatch(/what to do: Run this with sudo/);
  });

  it('reads a log that this user may read anyway, and no other', async () => {
    const own = await asUser('logs', '/var/log/dpkg.log', '--lines', '5');
    expect({ code: own.code, lines: own.out.trim().split('\n').length }).toEqual({ code: 0, lines: 5 });
    await machine.runOk(['sh', '-c', 'umask 077; echo secret > /var/log/root-only.log']);
    const other = await asUser('logs', '/var/log/root-only.log');
    expect(other.code).not.toBe(0);
    expect(other.out + other.err).not.toContain('secret');
  });

  it('still tells how the agent is', async () => {
    const { code, out } = await asUser('status');
    expect({ code, healthy: /^status +healthy$/m.test(out) }).toEqual({ code: 0, healthy: true });
  });
});
