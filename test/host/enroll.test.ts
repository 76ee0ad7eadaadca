// A new machine, from the line that the orchestrator prints to a command's output, and through what may come later.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentHealthSchema } from '../../protocol/agent-http.ts';
import { ROOT } from '../../scripts/lib/root.ts';
import { runProgram } from './harness/command.ts';
import { bootMachine, type Machine } from './harness/machine.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';

let machine: Machine;
let orchestrator: HostOrchestrator;

beforeAll(async () => {
  machine = await bootMachine({ hostname: 'web-1' });
  orchestrator = await serve({ address: machine.hostAddress });
});
afterAll(async () => {
  await orchestrator?.dispose();
  await machine?.dispose();
});

/** Pastes a line into a root shell, as a person would. */
const paste = (line: string) => machine.run(['bash'], { input: `${line}\n`, timeoutMs: 120_000 });

const health = async () => {
  const { out } = await machine.run(['curl', '-s', 'http://127.0.0.1:8080/health']);
  return out === '' ? undefined : agentHealthSchema.parse(JSON.parse(out));
};

const online = () =>
  machine.waitFor(
    'the agent online',
    async () => (await orchestrator.agents()).find((agent) => agent.online),
    60_000,
  );

describe('the one-liner on a machine with systemd, curl and nothing of ours', () => {
  it('[enroll-5] enrolls it, says what it did, and exits 0', async () => {
    const { one_liner, token } = await orchestrator.createToken('--label', 'env=test');
    const { code, out, err } = await paste(one_liner);
    expect(`${out}${err}`).not.toContain(token);
    expect({ code, tail: code === 0 ? '' : out + err }).toEqual({ code: 0, tail: '' });
    expect((await machine.run(['systemctl', 'is-active', 'vm-agent'])).out).toBe('active\n');
    expect((await machine.run(['systemctl', 'is-enabled', 'vm-agent'])).out).toBe('enabled\n');
    expect(await online()).toMatchObject({ hostname: 'web-1', labels: { env: 'test' }, state: 'active' });
  });

  it('answers /health with exactly the keys of the contract, healthy', async () => {
    expect(await health()).toMatchObject({
      status: 'healthy',
      tenant_status: 'provisioned',
      security_status: 'fully_initialized',
      websocket_connected: true,
      orchestrator_url: orchestrator.url,
      vm_id: expect.stringMatching(/^vm-web-1-[0-9a-f]{6}$/),
    });
  });

  it('[cert-39] has the executor pin the backup root too, in a file that stays root’s', async () => {
    const file = '/opt/vm-agent/trust/ca_pins.json';
    const pins = await machine.waitFor('the second set of roots', async () => {
      const read = JSON.parse((await machine.runOk(['cat', file])).out);
      return read.bundle_version > 1 ? read : undefined;
    });
    expect(pins.roots).toHaveLength(2);
    expect(await machine.stat(file)).toMatchObject({ mode: '0644', owner: 'root', group: 'root' });
  });

  it('[secret-1] leaves the eight files of its identity with their owners and modes', async () => {
    const names = (await machine.runOk(['ls', '/opt/vm-agent/security'])).out.trim().split('\n');
    expect(names).toEqual([
      'agent_id',
      'api_key',
      'ca.crt',
      'vm_agent.crt',
      'vm_agent.csr',
      'vm_agent.key',
      'vm_id',
      'websocket_url',
    ]);
    expect(await machine.stat('/opt/vm-agent/security')).toMatchObject({
      mode: '0700',
      owner: 'vm-agent',
      group: 'vm-agent',
    });
    for (const name of names) {
      const secret = name === 'api_key' || name === 'vm_agent.key';
      expect(await machine.stat(`/opt/vm-agent/security/${name}`), name).toMatchObject({
        owner: 'vm-agent',
        group: 'vm-agent',
        mode: secret ? '0600' : '0644',
      });
    }
    expect(await machine.stat('/opt/vm-agent/config/agent_config.yaml')).toMatchObject({
      owner: 'root',
      group: 'vm-agent',
      mode: '0640',
    });
    expect(await machine.stat('/opt/vm-agent/config/policy.yaml')).toMatchObject({
      owner: 'root',
      group: 'root',
      mode: '0644',
    });
    for (const path of [
      '/opt/vm-agent',
      '/opt/vm-agent/config',
      '/opt/vm-agent/trust',
      '/opt/vm-agent/versions',
    ]) {
      expect(await machine.stat(path), path).toMatchObject({ owner: 'root', mode: '0755' });
    }
    const writable = await machine.runOk(
      'find /opt/vm-agent /var/lib/vm-agent /var/log/vm-agent /etc/systemd/system/vm-agent.service -perm /022 ! -type l',
    );
    expect(writable.out).toBe('');
  });

  it('holds a certificate that openssl verifies against ca.crt', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'verify-'));
    try {
      for (const name of ['ca.crt', 'vm_agent.crt']) {
        await writeFile(join(dir, name), await machine.readFile(`/opt/vm-agent/security/${name}`));
      }
      const { out, err } = await runProgram([
        'openssl',
        'verify',
        '-CAfile',
        join(dir, 'ca.crt'),
        join(dir, 'vm_agent.crt'),
      ]);
      expect(out + err).toBe(`${join(dir, 'vm_agent.crt')}: OK\n`);
      const subjects = (await machine.runOk('grep -c BEGIN /opt/vm-agent/security/ca.crt')).out.trim();
      expect(Number(subjects)).toBeGreaterThanOrEqual(2);
    } finally {
      await rm(dir, { recursive: true });
    }
  });

  it('runs commands there and brings their output and exit code', async () => {
    const { code, out } = await orchestrator.cli(['run', '--selector', 'all', '--', 'hostname; id']);
    expect(out).toMatch(/^web-1\nuid=0\(root\)/);
    expect(code).toBe(0);
    expect(
      await orchestrator.cli(['run', '--selector', 'env=test', '--', 'echo out; echo err >&2; exit 7']),
    ).toMatchObject({
      code: 7,
      out: 'out\n',
    });
  });

  it('[process-1] ends a cancelled command with everything that it started', async () => {
    const child = orchestrator.startCli([
      'run',
      '--selector',
      'all',
      '--',
      'echo here; setsid sleep 4711 & (setsid sleep 4711 &) ; sleep 4711',
    ]);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    await machine.waitFor(
      'the processes',
      async () => (await machine.run(['pgrep', '-fc', '^sleep 4711'])).out.trim() === '3',
    );
    child.kill('SIGINT');
    await new Promise((resolve) => child.once('exit', resolve));
    expect((await machine.run(['pgrep', '-f', '^sleep 4711'])).out).toBe('');
  });

  it('keeps its token and API key out of the journal, the unit and every command line', async () => {
    const apiKey = (await machine.readFile('/opt/vm-agent/security/api_key')).toString().trim();
    const { out } = await machine.runOk(
      'systemctl show vm-agent; journalctl --no-pager; cat /etc/systemd/system/vm-agent.service; cat /proc/[0-9]*/cmdline | tr "\\0" " "',
    );
    expect(apiKey.length).toBeGreaterThan(20);
    expect(out).not.toContain(apiKey);
    expect(out).not.toContain('prov_');
  });

  it('is judged a sound and confined unit by systemd itself', async () => {
    expect(
      (await machine.run(['systemd-analyze', 'verify', '--man=no', '/etc/systemd/system/vm-agent.service']))
        .err,
    ).toBe('');
    const { out } = await machine.run(['systemd-analyze', 'security', '--no-pager', 'vm-agent.service']);
    const score = Number(/exposure level for vm-agent.service: ([\d.]+)/.exec(out)?.[1]);
    // Agents that run commands score 9.2 and more.
    expect(score).toBeLessThanOrEqual(1.2);
  });

  it('[enroll-4] changes nothing when it is run again', async () => {
    const before = await machine.runOk(
      'find /opt/vm-agent /etc/systemd/system -type f -printf "%p %m %u %T@\\n" | sort; systemctl show -p MainPID vm-agent',
    );
    const { one_liner } = await orchestrator.createToken();
    expect((await paste(one_liner)).code).toBe(0);
    const after = await machine.runOk(
      'find /opt/vm-agent /etc/systemd/system -type f -printf "%p %m %u %T@\\n" | sort; systemctl show -p MainPID vm-agent',
    );
    expect(after.out).toBe(before.out);
    expect(await orchestrator.agents()).toHaveLength(1);
  });

  it('is back online by itself after a restart and after a reboot', async () => {
    const connected = (await online()).connected_at;
    await machine.runOk(['systemctl', 'restart', 'vm-agent']);
    const again = await machine.waitFor(
      'a new connection',
      async () =>
        (await orchestrator.agents()).find((agent) => agent.online && agent.connected_at !== connected),
      60_000,
    );
    await machine.reboot();
    await machine.waitFor(
      'a connection after the reboot',
      async () =>
        (await orchestrator.agents()).find(
          (agent) => agent.online && agent.connected_at !== again.connected_at,
        ),
      90_000,
    );
    expect(
      (
        await machine.waitFor('health', async () => (await health().catch(() => undefined))?.status)
      ).toString(),
    ).toBe('healthy');
    expect((await orchestrator.cli(['run', '--selector', 'all', '--', 'hostname'])).out).toBe('web-1\n');
  });

  it('is removed by the documented lines, and nothing of it is left', async () => {
    const page = await readFile(join(ROOT, 'docs/operations.md'), 'utf8');
    const lines = /## Removing an agent[\s\S]*?By hand[\s\S]*?```sh\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
    expect(lines).toContain('systemctl disable --now vm-agent');
    const { err } = await machine.runOk(['sh', '-e'], { input: lines });
    expect(err).not.toMatch(/cannot|error|fail/i);
    const left = await machine.runOk(
      'find / -xdev -name "*vm-agent*" -not -path "/proc/*" -not -path "/tmp/*"; ls -d /run/vm-agent 2>/dev/null; getent passwd vm-agent; getent group vm-agent; pgrep -f "vm-agent[.]mjs"; true',
    );
    expect(left.out).toBe('');
    expect((await machine.run(['systemctl', 'cat', 'vm-agent'])).code).not.toBe(0);
  });
});
