// What can go wrong on a new machine: each with its own message, and none in the way of a later correct run.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bootMachine, type Machine } from './harness/machine.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';

let machine: Machine;
let orchestrator: HostOrchestrator;

beforeAll(async () => {
  machine = await bootMachine({ hostname: 'db-1' });
  orchestrator = await serve({ address: machine.hostAddress });
  await machine.writeFile('/root/ca.pem', orchestrator.caPem);
  await machine.runOk([
    'curl',
    '-fsS',
    '--cacert',
    '/root/ca.pem',
    '-o',
    '/root/setup.sh',
    `${orchestrator.url}/setup.sh`,
  ]);
});
afterAll(async () => {
  await orchestrator?.dispose();
  await machine?.dispose();
});

interface Attempt {
  token: string;
  more?: readonly string[];
  url?: string;
  ca?: string;
  user?: string;
}

/** The saved script, with the token on stdin. */
async function setup(attempt: Attempt) {
  const { token, url = orchestrator.url, ca = '/root/ca.pem', user = 'root', more = [] } = attempt;
  const words = ['sh', '/root/setup.sh', '--token-stdin', '--server-url', url, '--ca-file', ca, ...more];
  const { code, out, err } = await machine.run(words, { input: `${token}\n`, timeoutMs: 120_000, user });
  return { code, text: out + err };
}

const installed = () => machine.exists('/etc/systemd/system/vm-agent.service');

describe('[enroll-5] the installer refuses, and says what to do', () => {
  it('with a token that nobody made', async () => {
    const { token } = await orchestrator.createToken();
    const wrong = token.replace(/_[a-z0-9]{40}_/, `_${'x'.repeat(40)}_`);
    const { code, text } = await setup({ token: wrong });
    expect(code).not.toBe(0);
    expect(text).toMatch(/token is not known/i);
    expect(text).toMatch(/token create/);
  });

  it('with a text that is no token, before anything is downloaded for it', async () => {
    const { code, text } = await setup({ token: 'hunter2' });
    expect(code).not.toBe(0);
    expect(text).toMatch(/prov_/);
    expect(text).not.toContain('hunter2');
  });

  it('with a token that has expired', async () => {
    const { token, expires_at } = await orchestrator.createToken('--ttl', '10s');
    await machine.waitFor('the token’s end', () => new Date().toISOString() > expires_at);
    const { code, text } = await setup({ token });
    expect(code).not.toBe(0);
    expect(text).toMatch(/token has expired/);
    expect(text).toMatch(/token create/);
  });

  it('[enroll-1] with a token of another orchestrator, to which it sends nothing', async () => {
    const { token } = await orchestrator.createToken();
    const { code, text } = await setup({ token: token.replace(/[0-9a-f]{32}$/, '0'.repeat(32)) });
    expect(code).not.toBe(0);
    expect(text).toMatch(/CA/);
    expect(text).toMatch(/not the one/);
  });

  it('when the orchestrator cannot be reached', async () => {
    const { token } = await orchestrator.createToken();
    const { code, text } = await setup({ token, url: `https://${machine.hostAddress}:9` });
    expect(code).not.toBe(0);
    expect(text).toMatch(/cannot (be reached|reach|connect)|refused/i);
    expect(text).toContain(`${machine.hostAddress}:9`);
  });

  it('an address that is not https', async () => {
    const { token } = await orchestrator.createToken();
    const { code, text } = await setup({ token, url: orchestrator.url.replace('https', 'http') });
    expect(code).not.toBe(0);
    expect(text).toMatch(/https:\/\//);
  });

  it('without root', async () => {
    await machine.runOk(
      'useradd --create-home alice; install -o alice -m 0755 /root/setup.sh /home/alice/setup.sh; install -o alice /root/ca.pem /home/alice/ca.pem',
    );
    const { token } = await orchestrator.createToken();
    const words = [
      'sh',
      '/home/alice/setup.sh',
      '--token-stdin',
      '--server-url',
      orchestrator.url,
      '--ca-file',
      '/home/alice/ca.pem',
    ];
    const { code, out, err } = await machine.run(words, {
      input: `${token}\n`,
      user: 'alice',
      timeoutMs: 120_000,
    });
    expect(code).not.toBe(0);
    expect(out + err).toMatch(/root/);
    expect(out + err).toMatch(/sudo|--user/);
  });

  it('when /opt is full, and leaves nothing that a later run stumbles over', async () => {
    await machine.tmpfs('/opt', '16m');
    const { token } = await orchestrator.createToken();
    const full = await setup({ token });
    expect(full.code).not.toBe(0);
    expect(full.text).toMatch(/space/i);
    expect(full.text).toMatch(/\/opt/);
    await machine.runOk(['umount', '/opt']);
    expect(await installed()).toBe(false);
  });

  it('when its clock is a day away from the orchestrator’s', async () => {
    const ahead = await serve({
      address: machine.hostAddress,
      port: 8444,
      prefix: ['faketime', '-f', '+1d'],
    });
    try {
      await machine.writeFile('/root/ahead.pem', ahead.caPem);
      const { token } = await ahead.createToken();
      const { code, text } = await setup({ token, url: ahead.url, ca: '/root/ahead.pem' });
      expect(code).not.toBe(0);
      expect(text).toMatch(/clock/i);
    } finally {
      await ahead.dispose();
    }
  });

  it('and enrolls the machine in a later correct run, after which the token is used up', async () => {
    const { token } = await orchestrator.createToken();
    const first = await setup({ token });
    expect({ code: first.code, text: first.code === 0 ? '' : first.text }).toEqual({ code: 0, text: '' });
    await machine.waitFor(
      'the agent online',
      async () => (await orchestrator.agents()).some((agent) => agent.online),
      60_000,
    );
    await using other = await bootMachine({ hostname: 'db-2' });
    await other.writeFile('/root/ca.pem', orchestrator.caPem);
    await other.writeFile('/root/setup.sh', await machine.readFile('/root/setup.sh'));
    const words = [
      'sh',
      '/root/setup.sh',
      '--token-stdin',
      '--server-url',
      orchestrator.url,
      '--ca-file',
      '/root/ca.pem',
    ];
    const { code, out, err } = await other.run(words, { input: `${token}\n`, timeoutMs: 120_000 });
    expect(code).not.toBe(0);
    expect(out + err).toMatch(/already used/);
    expect(out + err).toMatch(/token create/);
  });

  it('a used token for --force-reinstall, while the agent runs on as it was', async () => {
    const { token } = await orchestrator.createToken();
    await using spent = await bootMachine({ hostname: 'db-3' });
    await spent.writeFile('/root/ca.pem', orchestrator.caPem);
    await spent.writeFile('/root/setup.sh', await machine.readFile('/root/setup.sh'));
    const words = ['sh', '/root/setup.sh', '--token-stdin', '--server-url', orchestrator.url];
    await spent.runOk([...words, '--ca-file', '/root/ca.pem'], { input: `${token}\n`, timeoutMs: 120_000 });

    const state =
      'systemctl show -p MainPID -p ActiveState vm-agent; cd /opt/vm-agent; find security trust -printf "%p %m %u %g %T@\\n" | sort';
    const before = await machine.runOk(state);
    expect(before.out).toContain('ActiveState=active');
    const { code, text } = await setup({ token, more: ['--force-reinstall'] });
    expect(code).toBe(15);
    expect(text).toMatch(/already used/);
    expect((await machine.runOk(state)).out).toBe(before.out);
    const own = (await orchestrator.agents()).find(({ hostname }) => hostname === 'db-1');
    expect(own?.online).toBe(true);
  });

  it('and gives a running agent a new identity with --force-reinstall and a good token', async () => {
    const vmId = async () => (await machine.readFile('/opt/vm-agent/security/vm_id')).toString().trim();
    const old = await vmId();
    const { token } = await orchestrator.createToken();
    const { code, text } = await setup({ token, more: ['--force-reinstall'] });
    expect({ code, text: code === 0 ? '' : text }).toEqual({ code: 0, text: '' });
    const next = await vmId();
    expect(next).not.toBe(old);
    expect((await orchestrator.agents()).find(({ vm_id }) => vm_id === next)?.online).toBe(true);
    expect(await machine.stat('/opt/vm-agent/security')).toMatchObject({ mode: '0700', owner: 'vm-agent' });
    expect((await machine.runOk('ls /opt/vm-agent')).out).not.toContain('identity');
  });
});
