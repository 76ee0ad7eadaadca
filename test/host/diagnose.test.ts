// What goes wrong on a machine, one thing at a time: the diagnosis names that thing first, and nothing unrelated fails.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Diagnosis } from '../../cli/diagnose.ts';
import { runProgramOk } from './harness/command.ts';
import { bootMachine, type Machine } from './harness/machine.ts';
import { namespaceOf } from './harness/network.ts';
import { enroll, healthy, NAME, nameOrchestrator, useName } from './support/by-name.ts';
import { HostOrchestrator, serve } from './support/orchestrator.ts';

const AGENT = '/opt/vm-agent/current/bin/vm-agent';
const SECURITY = '/opt/vm-agent/security';
const CONFIG = '/opt/vm-agent/config/agent_config.yaml';

let machine: Machine;
let orchestrator: HostOrchestrator;

beforeAll(async () => {
  machine = await bootMachine({ hostname: 'ill-1' });
  orchestrator = await serve({ address: machine.hostAddress });
  await enroll(machine, orchestrator);
  await useName(machine);
});
afterAll(async () => {
  await orchestrator?.dispose();
  await machine?.dispose();
});

async function diagnose(words: readonly string[] = [], on = machine, program: readonly string[] = [AGENT]) {
  const { code, out, err } = await on.run([...program, 'diagnose', '--json', ...words], {
    timeoutMs: 120_000,
  });
  if (out === '') throw new Error(`no diagnosis: ${err}`);
  const diagnosis = JSON.parse(out) as Diagnosis;
  const of = (result: string) => diagnosis.checks.filter((check) => check.result === result);
  return {
    ...diagnosis,
    code,
    failed: of('fail').map(({ id }) => id),
    warned: of('warn').map(({ id }) => id),
  };
}

const sound = { code: 0, failed: [], warned: [] };

/** The fault makes this check fail and no other, and it is the cause that is named. */
const onlyFault = (id: string) => ({ code: 1, failed: [id], cause: { id } });

const restart = async () => {
  await machine.runOk('systemctl reset-failed vm-agent; systemctl restart vm-agent');
  await healthy(machine);
};

describe('vm-agent diagnose', () => {
  it('finds a healthy machine sound, without a warning', async () => {
    expect(await diagnose()).toMatchObject(sound);
    const { code, out } = await machine.run(['vm-agent', 'diagnose']);
    expect({ code, last: out.trim().split('\n').at(-1) }).toEqual({
      code: 0,
      last: expect.stringMatching(/^Nothing is wrong: \d+ ok, 0 to look at, 0 wrong/),
    });
    expect(out).not.toContain('\x1b');
  });

  it('a wrong clock', async () => {
    const library = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';
    await machine.writeFile('/usr/lib/libfaketime.so', await readFile(library));
    const fake = ['env', 'LD_PRELOAD=/usr/lib/libfaketime.so', 'FAKETIME=+40d', AGENT];
    expect(await diagnose([], machine, fake)).toMatchObject(onlyFault('clock'));
  });

  it('a stopped service', async () => {
    await machine.runOk(['systemctl', 'stop', 'vm-agent']);
    expect(await diagnose()).toMatchObject(onlyFault('service.active'));
    await restart();
  });

  it('a key that others may read, and an open folder around it', async () => {
    await machine.runOk(`chmod 0644 ${SECURITY}/vm_agent.key; chmod 0755 ${SECURITY}`);
    const found = await diagnose();
    expect(found).toMatchObject(onlyFault('files'));
    expect(found.cause?.detail).toContain(`${SECURITY} has mode 0755 instead of 0700`);
    expect(found.cause?.detail).toContain(`${SECURITY}/vm_agent.key has mode 0644 instead of 0600`);
    await machine.runOk(`chmod 0600 ${SECURITY}/vm_agent.key; chmod 0700 ${SECURITY}`);
  });

  it('another CA at the address', async () => {
    await orchestrator.stop();
    const other = await serve({ address: machine.hostAddress });
    try {
      expect(await diagnose()).toMatchObject(onlyFault('ca'));
    } finally {
      await other.dispose();
      await orchestrator.start();
    }
    await restart();
  });

  it('a name that is not known', async () => {
    await machine.runOk(`sed '/${NAME}/d' /etc/hosts > /tmp/hosts; cat /tmp/hosts > /etc/hosts`);
    expect(await diagnose()).toMatchObject(onlyFault('dns'));
    await nameOrchestrator(machine);
  });

  it('a port on which nothing listens, and a way on which everything is dropped', async () => {
    await orchestrator.stop();
    expect(await diagnose()).toMatchObject(onlyFault('tcp'));
    await orchestrator.start();
    const route = ['blackhole', `${machine.hostAddress}/32`];
    const ip = ['ip', '-n', namespaceOf(machine.id), 'route'];
    await runProgramOk([...ip, 'add', ...route]);
    expect(await diagnose()).toMatchObject(onlyFault('tcp'));
    await runProgramOk([...ip, 'del', ...route]);
    await restart();
  });

  it('a full disk', async () => {
    await machine.runOk(
      'mount -t tmpfs -o "size=1m,mode=0750,uid=$(id -u vm-agent),gid=$(id -g vm-agent)" tmpfs /var/log/vm-agent && head -c 2M /dev/zero > /var/log/vm-agent/filler || true',
    );
    expect(await diagnose()).toMatchObject(onlyFault('disk.log'));
    await machine.runOk(['umount', '-l', '/var/log/vm-agent']);
    await restart();
  });

  it('a missing key', async () => {
    await machine.runOk(`mv ${SECURITY}/vm_agent.key /root/kept.key; systemctl restart vm-agent`);
    const found = await diagnose();
    expect(found).toMatchObject(onlyFault('identity'));
    expect(found.cause?.detail).toContain(`${SECURITY}/vm_agent.key missing`);
    await machine.runOk(`mv /root/kept.key ${SECURITY}/vm_agent.key`);
    await restart();
  });

  it('a bad configuration', async () => {
    await machine.runOk(`cp -a ${CONFIG} /root/kept.yaml; printf 'sever:\\n  port: 1\\n' >> ${CONFIG}`);
    await machine.run(['systemctl', 'restart', 'vm-agent']);
    const found = await diagnose();
    expect(found).toMatchObject(onlyFault('config'));
    expect(found.cause?.detail).toContain('did you mean "server"?');
    await machine.runOk(`cp -a /root/kept.yaml ${CONFIG}`);
    await restart();
  });

  it('another program on the port', async () => {
    await machine.runOk(['systemctl', 'stop', 'vm-agent']);
    const script = "require('net').createServer(s=>s.end('no')).listen(8080,()=>console.log('up'))";
    const squatter = machine.start(['/opt/vm-agent/current/runtime/node', '-e', script]);
    await new Promise((resolve) => squatter.child.stdout?.once('data', resolve));
    await machine.runOk(['systemctl', 'start', 'vm-agent']);
    const found = await diagnose();
    squatter.stop();
    expect(found).toMatchObject(onlyFault('port'));
    await restart();
  });

  it('an old version, which is no failure', async () => {
    await machine.runOk(`cd /opt/vm-agent && cp -a current/. versions/0.0.9/ && cd versions/0.0.9 &&
      sed -i 's/"0\\.1\\.0"/"0.0.9"/g' vm-agent.mjs && head -n1 INSTALLED > new &&
      find . -type f ! -name INSTALLED ! -name new -printf '%P\\n' | sort | xargs sha256sum >> new && mv new INSTALLED &&
      ln -sfn versions/0.0.9 /opt/vm-agent/current`);
    await restart();
    const found = await diagnose();
    expect(found).toMatchObject({ code: 0, failed: [], warned: ['version'], cause: { id: 'version' } });
    expect(found.cause?.detail).toMatch(/0\.0\.9.*0\.1\.0/);
    expect(found.cause?.hint).toBe('vm-agent upgrade');
    await machine.runOk('ln -sfn versions/0.1.0 /opt/vm-agent/current; rm -r /opt/vm-agent/versions/0.0.9');
    await restart();
  });
});

describe('vm-agent diagnose --fix', () => {
  it('repairs modes, unit, links and a stopped service, says what it did, and leaves a sound machine', async () => {
    await machine.runOk(
      `systemctl disable -q --now vm-agent; chmod 0644 ${SECURITY}/api_key; chown root ${SECURITY}/vm_id; chmod 0777 ${SECURITY}; ` +
        'echo "# edited" >> /etc/systemd/system/vm-agent.service; rm /usr/local/bin/vm-agent /opt/vm-agent/current',
    );
    const program = [
      '/opt/vm-agent/versions/0.1.0/runtime/node',
      '/opt/vm-agent/versions/0.1.0/vm-agent.mjs',
    ];
    const plan = await diagnose(['--dry-run'], machine, program);
    expect(plan.code).toBe(1);
    expect(await machine.exists('/opt/vm-agent/current')).toBe(false);
    const would = plan.checks.flatMap((check) => check.would ?? []);
    expect(would.join('\n')).toMatch(/point \/opt\/vm-agent\/current at versions\/0\.1\.0/);

    const fixed = await diagnose(['--fix'], machine, program);
    expect({ code: fixed.code, failed: fixed.failed }).toEqual({ code: 0, failed: [] });
    const repaired = fixed.checks.filter((check) => check.repaired !== undefined).map(({ id }) => id);
    expect(repaired).toEqual([
      'link.current',
      'link.command',
      'files',
      'service.unit',
      'service.enabled',
      'service.active',
    ]);
    await healthy(machine);
    expect(await diagnose([], machine, ['vm-agent'])).toMatchObject(sound);
  });

  it('does not follow a link that stands in a key’s place', async () => {
    const shadow = await machine.stat('/etc/shadow');
    await machine.runOk(`mv ${SECURITY}/api_key /root/kept; ln -s /etc/shadow ${SECURITY}/api_key`);
    expect(await diagnose(['--fix'])).toMatchObject({ code: 1, cause: { id: 'files' } });
    expect(await machine.stat('/etc/shadow')).toEqual(shadow);
    await machine.runOk(`rm ${SECURITY}/api_key; mv /root/kept ${SECURITY}/api_key`);
  });

  it('needs root, and says so', async () => {
    await machine.runOk(['useradd', '--create-home', 'ana']);
    const { code, err } = await machine.run(['runuser', '-u', 'ana', '--', 'vm-agent', 'diagnose', '--fix']);
    expect({ code, err }).toEqual({ code: 10, err: expect.stringMatching(/Repairs need root.*\n.*sudo/) });
  });
});

describe('vm-agent support-bundle', () => {
  it('[secret-1] brings units, journal and logs into one closed file, and none of the secrets', async () => {
    const canary = 'c4n4ryc4n4ryc4n4ry';
    await machine.runOk(
      `printf 'prov_ab12cd34ef56_${canary}\nvmo_${canary}\n{"command":"mysql -p${canary}"}\n' >> /var/log/vm-agent/agent.log`,
    );
    const { out } = await machine.runOk(['vm-agent', 'support-bundle', '--output', '/root/b.tar.gz']);
    expect(out).toMatch(/Secrets removed: [1-9]\d* /);
    expect(await machine.stat('/root/b.tar.gz')).toMatchObject({ mode: '0600', owner: 'root' });
    const { out: names } = await machine.runOk('tar -tzf /root/b.tar.gz');
    for (const name of [
      'systemd/journal',
      'systemd/show',
      'units/vm-agent.service',
      'health.json',
      'network.json',
    ])
      expect(names).toContain(`/${name}\n`);
    const { out: text } = await machine.runOk('tar -xzOf /root/b.tar.gz');
    expect(text).toMatch(/Started .*vm-agent/);
    const secret = async (name: string) =>
      (await machine.readFile(`${SECURITY}/${name}`)).toString().split('\n');
    const [apiKey = ''] = await secret('api_key');
    const [, keyLine = ''] = await secret('vm_agent.key');
    for (const one of [canary, apiKey, keyLine]) expect(text.split(one).length - 1).toBe(0);
  });
});

describe('an identity that does not count any more', () => {
  it('a revoked agent', async () => {
    const vmId = (await machine.readFile(`${SECURITY}/vm_id`)).toString().trim();
    await orchestrator.cli(['agents', 'revoke', vmId, '--yes']);
    const found = await diagnose();
    expect(found).toMatchObject(onlyFault('registration'));
    expect(found.cause?.hint).toMatch(/--force-reinstall/);
  });

  it('an expired certificate', async () => {
    await using late = await bootMachine({ hostname: 'late-1' });
    // Everything of it happened forty days ago, when it was enrolled for thirty.
    const past = await serve({ address: late.hostAddress, prefix: ['faketime', '-f', '-40d'] });
    try {
      const library = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';
      await late.writeFile('/usr/lib/libfaketime.so', await readFile(library));
      const fake = { LD_PRELOAD: '/usr/lib/libfaketime.so', FAKETIME: '-40d' };
      const lines = Object.entries(fake).map(([name, value]) => `Environment=${name}=${value}`);
      await late.writeFile(
        '/etc/systemd/system/vm-agent.service.d/past.conf',
        `[Service]\n${lines.join('\n')}\n`,
      );
      // The executor lives in the present and its daemon in the past: the identity is made, and that is enough.
      await enroll(late, past, fake).catch(() => undefined);
      expect(await late.exists(`${SECURITY}/vm_agent.crt`)).toBe(true);
      await past.kill();
      const present = new HostOrchestrator({ address: late.hostAddress }, past.data);
      await present.start();
      await late.runOk(
        'rm -r /etc/systemd/system/vm-agent.service.d; systemctl daemon-reload; systemctl restart vm-agent',
      );
      const found = await diagnose([], late).finally(present.stop);
      expect(found).toMatchObject(onlyFault('certificate.validity'));
    } finally {
      await past.dispose();
    }
  });
});
