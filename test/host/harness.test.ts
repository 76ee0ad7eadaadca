import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cgroupsOf, processesIn } from './harness/cgroups.ts';
import { runProgramOk } from './harness/command.ts';
import { bootMachine, type Machine } from './harness/machine.ts';
import { createNetwork, namespaceOf } from './harness/network.ts';
import { currentOwner } from './harness/owner.ts';
import { folderOf, mountsUnder, nspawnName, removeStaleMachines } from './harness/remains.ts';
import { assertContents, provideRootfs } from './harness/rootfs.ts';

/** Everything of a machine that the host can see, by kind; empty once it is disposed of. */
async function remainsOf(id: string, address: string): Promise<readonly string[]> {
  const namespaces = await runProgramOk(['ip', 'netns', 'list']);
  const interfaces = await runProgramOk(['ip', '-oneline', 'address', 'show']);
  const hostAddress = address.replace(/\d+$/, (last) => String(Number(last) - 1));
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = {
    namespace: namespaces.out.split('\n').some((line) => line.split(' ')[0] === namespaceOf(id)),
    interface: interfaces.out.includes(` ${hostAddress}/30 `),
    program: pids.some((pid) => commandLineOf(pid).includes(folderOf(id))),
    process: cgroupsOf(id).some((folder) => processesIn(folder).length > 0),
    cgroup: cgroupsOf(id).some(existsSync),
    mount: mountsUnder(folderOf(id)).length > 0,
    folder: existsSync(folderOf(id)),
    propagation: existsSync(join('/run/systemd/nspawn/propagate', nspawnName(id))),
  };
  return Object.entries(found).flatMap(([kind, isThere]) => (isThere ? [kind] : []));
}

const remainsWhileOn = ['namespace', 'interface', 'program', 'process', 'cgroup', 'folder', 'propagation'];

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

describe('a booted machine', () => {
  let machine: Machine;
  beforeAll(async () => {
    machine = await bootMachine({ hostname: 'web-1' });
  });
  afterAll(() => machine?.dispose());

  it('runs systemd as its first process, with every unit started', async () => {
    expect((await machine.run(['ps', '-p', '1', '-o', 'comm='])).out).toBe('systemd\n');
    expect((await machine.run(['systemctl', 'is-system-running'])).out).toBe('running\n');
    expect((await machine.run(['systemd-analyze'])).out).toContain('Startup finished in');
  });

  it('has curl and certificates, and nothing that the product has to bring', async () => {
    assertContents(await provideRootfs('standard'), 'standard');
    const found = await machine.run('command -v curl node python3 openssl wget');
    expect(found.out).toBe('/usr/bin/curl\n');
    expect(await machine.exists('/etc/ssl/certs/ca-certificates.crt')).toBe(true);
  });

  it('knows its name', async () => {
    expect((await machine.runOk('hostname; hostname -f; cat /etc/hostname')).out).toBe(
      'web-1\nweb-1\nweb-1\n',
    );
  });

  it('takes and gives bytes as they are, stdout and stderr apart', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 * 1024 }, (_, index) => index % 256));
    const outcome = await machine.run('cat >/tmp/bytes; cat /tmp/bytes; cat /tmp/bytes >&2', {
      input: bytes,
    });
    expect(outcome.stdout.equals(bytes)).toBe(true);
    expect(outcome.stderr.equals(bytes)).toBe(true);
    const apart = await machine.run('echo out; echo err >&2');
    expect([apart.out, apart.err]).toEqual(['out\n', 'err\n']);
  });

  it('reports exit codes and signals', async () => {
    expect((await machine.run('exit 7')).code).toBe(7);
    expect((await machine.run('kill -TERM $$')).code).toBe(143);
    await expect(machine.runOk('echo why >&2; exit 3')).rejects.toThrow(/ended with 3[\s\S]*why/);
  });

  it('ends a command with its children when its time is over', async () => {
    const command = machine.run('sleep 4321 & sleep 4321', { timeoutMs: 300 });
    await expect(command).rejects.toThrow('killed after 300 ms');
    const gone = await machine.waitFor(
      'the end of sleep',
      async () => (await machine.run('pgrep -f "^sleep 4321"')).code === 1,
    );
    expect(gone).toBe(true);
  });

  it('runs commands as another user, in an environment that is not the host’s', async () => {
    const command = 'id -un; echo "$HOME $GREETING"; env | cut -d= -f1 | grep -v -e _ -e PWD | sort | xargs';
    const { out } = await machine.runOk(command, { user: 'nobody', env: { GREETING: 'hello' } });
    expect(out).toBe('nobody\n/nonexistent hello\nGREETING HOME LANG LOGNAME PATH USER\n');
  });

  it('runs hardened services and shows their journal', async () => {
    const unit = `[Service]
Type=oneshot
User=nobody
ExecStart=/bin/sh -c 'touch /etc/x || echo read-only; touch "$STATE_DIRECTORY/x" && echo kept; readlink /proc/self/ns/user'
ProtectSystem=strict
PrivateUsers=yes
NoNewPrivileges=yes
StateDirectory=hardened
CapabilityBoundingSet=
SystemCallFilter=@system-service
`;
    await machine.writeFile('/etc/systemd/system/hardened.service', unit);
    await machine.runOk('systemctl daemon-reload && systemctl start hardened');
    const journal = await machine.journal('hardened');
    expect(journal).toMatch(/read-only$/m);
    expect(journal).toMatch(/kept$/m);
    const outside = (await machine.runOk(['readlink', '/proc/self/ns/user'])).out.trim();
    expect(journal).toContain('user:[');
    expect(journal).not.toContain(outside);
    expect((await machine.stat('/var/lib/hardened/x')).owner).toBe('nobody');
  });

  it('starts transient units whose exit status comes back', async () => {
    const outcome = await machine.run([
      'systemd-run',
      '--wait',
      '--pipe',
      '--quiet',
      'sh',
      '-c',
      'echo from a unit; exit 5',
    ]);
    expect([outcome.out, outcome.code]).toEqual(['from a unit\n', 5]);
  });

  it('reaches a server on the host’s end of its cable', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nhello from the host'));
    server.listen(0, machine.hostAddress);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const { out } = await machine.runOk(['curl', '-sS', `http://${machine.hostAddress}:${port}/`]);
      expect(out).toBe('hello from the host');
    } finally {
      server.close();
    }
  });

  it('has no space left on a small disk that is full', async () => {
    await machine.tmpfs('/mnt/small', '64k');
    const outcome = await machine.run('head -c 100000 /dev/zero >/mnt/small/file');
    expect(outcome.err).toContain('No space left on device');
  });

  it('keeps files over a reboot, and nothing else', async () => {
    await machine.writeFile('/srv/kept', 'state', '0640', 'nobody:nogroup');
    await machine.writeFile('/run/lost', 'state');
    const before = (await machine.runOk('cat /etc/machine-id /proc/sys/kernel/random/boot_id')).out.split(
      '\n',
    );
    await machine.reboot();
    const after = (await machine.runOk('cat /etc/machine-id /proc/sys/kernel/random/boot_id')).out.split(
      '\n',
    );
    expect(after[0]).toBe(before[0]);
    expect(after[1]).not.toBe(before[1]);
    expect((await machine.readFile('/srv/kept')).toString()).toBe('state');
    expect(await machine.stat('/srv/kept')).toEqual({
      mode: '0640',
      owner: 'nobody',
      group: 'nogroup',
      size: 5,
      type: 'regular file',
    });
    expect(await machine.exists('/run/lost')).toBe(false);
    expect((await machine.run(['systemctl', 'is-system-running'])).out).toBe('running\n');
  });

  it('comes back after its power was cut and after it was shut down', async () => {
    await machine.cutPower();
    await expect(machine.run('true')).rejects.toThrow('machine web-1 is off (crash): boot it first');
    await machine.boot();
    await machine.poweroff();
    await expect(machine.run('true')).rejects.toThrow('machine web-1 is off (poweroff): boot it first');
    await machine.boot();
    expect((await machine.run(['systemctl', 'is-system-running'])).out).toBe('running\n');
  });
});

describe('two machines at once', () => {
  it('have their own addresses, and one goes without harm to the other', async () => {
    await using first = await bootMachine({ hostname: 'db-1' });
    await using second = await bootMachine({ hostname: 'db-2' });
    expect(first.address).not.toBe(second.address);
    for (const machine of [first, second]) await machine.runOk('systemd-run --quiet --unit=long sleep 4322');
    await first.runOk('systemctl stop long');
    expect((await second.run(['systemctl', 'is-active', 'long'])).out).toBe('active\n');
    await first.dispose();
    expect((await second.run(['systemctl', 'is-active', 'long'])).out).toBe('active\n');
    expect((await second.run(['pgrep', '-c', '-f', '^/usr/bin/sleep 4322'])).out).toBe('1\n');
  });
});

describe('a machine that is not needed any more', () => {
  it('leaves nothing on the host when it is disposed of, whatever still runs in it', async () => {
    const machine = await bootMachine({ hostname: 'gone-1' });
    await machine.tmpfs('/mnt/small', '64k');
    const { child } = machine.start('echo started; exec setsid sleep 4323');
    await once(child.stdout ?? child, 'data');
    expect(await remainsOf(machine.id, machine.address)).toEqual(remainsWhileOn);
    await machine.dispose();
    await machine.dispose();
    expect(await remainsOf(machine.id, machine.address)).toEqual([]);
  });

  it('is removed even if the process that booted it is killed', async () => {
    const source = `const { bootMachine } = await import(${JSON.stringify(join(import.meta.dirname, 'harness/machine.ts'))});
      const machine = await bootMachine({ hostname: 'orphan-1' });
      console.log(JSON.stringify([machine.id, machine.address]));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(child.stdout, 'data');
    const [id, address] = JSON.parse(String(line));
    expect(await remainsOf(id, address)).toEqual(remainsWhileOn);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await expect.poll(() => remainsOf(id, address), { timeout: 30_000 }).toEqual([]);
  });

  it('is removed by a later run if nobody was left to do it', async () => {
    const id = randomBytes(3).toString('hex');
    await mkdir(folderOf(id), { recursive: true });
    const { address } = await createNetwork(id);
    await writeFile(join(folderOf(id), 'owner'), JSON.stringify({ ...currentOwner(), startTime: '0' }));
    expect(await remainsOf(id, address)).toEqual(['namespace', 'interface', 'folder']);
    await removeStaleMachines();
    expect(await remainsOf(id, address)).toEqual([]);
  });
});
