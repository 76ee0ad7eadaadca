// The other ways in: the published pipe where the machine trusts the server, the saved script, and wget alone.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bootMachine, type Machine } from './harness/machine.ts';
import type { RootfsPurpose } from './harness/rootfs-recipe.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';

let machine: Machine;
let orchestrator: HostOrchestrator;

async function boot(hostname: string, rootfs: RootfsPurpose): Promise<void> {
  machine = await bootMachine({ hostname, rootfs });
  orchestrator = await serve({ address: machine.hostAddress });
}

async function dispose(): Promise<void> {
  await orchestrator?.dispose();
  await machine?.dispose();
}

const online = (hostname: string) =>
  machine.waitFor(
    'the agent online',
    async () => (await orchestrator.agents()).some((agent) => agent.online && agent.hostname === hostname),
    60_000,
  );

describe('a machine that trusts the server', () => {
  beforeEach(() => boot('app-1', 'standard'));
  afterEach(dispose);

  it('is enrolled by piping the script into a shell, with the token as an option and a warning', async () => {
    await machine.writeFile('/usr/local/share/ca-certificates/orchestrator.crt', orchestrator.caPem);
    await machine.runOk(
      'cat /usr/local/share/ca-certificates/orchestrator.crt >> /etc/ssl/certs/ca-certificates.crt',
    );
    const { token } = await orchestrator.createToken();
    const { url } = orchestrator;
    const { code, out, err } = await machine.run(
      `curl -fsS ${url}/setup.sh | sudo bash -s -- --provisioning-token ${token} --server-url ${url}`,
      { timeoutMs: 120_000 },
    );
    expect({ code, text: code === 0 ? '' : out + err }).toEqual({ code: 0, text: '' });
    expect(out + err).toMatch(/warning: .*--token-stdin/);
    expect(out + err).not.toContain(token);
    await online('app-1');
  });

  it('answers a dry run with the plan, and stays as it was', async () => {
    await machine.writeFile('/root/ca.pem', orchestrator.caPem);
    const { token } = await orchestrator.createToken();
    const before = await machine.runOk(
      'find / -xdev -newer /root/ca.pem -type f ! -path "/proc/*" ! -path "/var/log/*" ! -path "/run/*" | sort',
    );
    await machine.runOk(`curl -fsS --cacert /root/ca.pem -o /root/setup.sh ${orchestrator.url}/setup.sh`);
    const { code, out } = await machine.run(
      [
        'sh',
        '/root/setup.sh',
        '--dry-run',
        '--token-stdin',
        '--server-url',
        orchestrator.url,
        '--ca-file',
        '/root/ca.pem',
      ],
      { input: `${token}\n`, timeoutMs: 120_000 },
    );
    expect(code).toBe(0);
    for (const step of ['System dependencies', 'Runtime', 'CA certificate', 'Registration'])
      expect(out).toContain(step);
    await machine.runOk(['rm', '/root/setup.sh']);
    const after = await machine.runOk(
      'find / -xdev -newer /root/ca.pem -type f ! -path "/proc/*" ! -path "/var/log/*" ! -path "/run/*" | sort',
    );
    expect(after.out).toBe(before.out);
    expect(await machine.exists('/opt/vm-agent')).toBe(false);
    expect(await orchestrator.agents()).toEqual([]);
  });
});

describe('a machine with wget and no curl', () => {
  beforeEach(() => boot('old-1', 'wget'));
  afterEach(dispose);

  it('is enrolled by the same line', async () => {
    const { one_liner } = await orchestrator.createToken();
    const { code, out, err } = await machine.run(['sh'], { input: `${one_liner}\n`, timeoutMs: 120_000 });
    expect({ code, text: code === 0 ? '' : out + err }).toEqual({ code: 0, text: '' });
    await online('old-1');
  });
});
