// What `vm-agent uninstall` takes away from a machine with systemd, and that nothing of it stays.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { diskLayout } from '../../protocol/disk-layout.ts';
import { finisherScript } from '../../provision/finisher.ts';
import { bootMachine, type Machine } from './harness/machine.ts';
import { type HostOrchestrator, serve } from './support/orchestrator.ts';
import { traces } from './support/traces.ts';

let machine: Machine;
let orchestrator: HostOrchestrator;

beforeAll(async () => {
  machine = await bootMachine({ hostname: 'gone-1' });
  orchestrator = await serve({ address: machine.hostAddress });
});
afterAll(async () => {
  await orchestrator?.dispose();
  await machine?.dispose();
});

const MARKER = '/root/marker';

/**
 * What a machine writes by itself while any program is installed and removed. A folder stands here for its own time
 * of change, which each entry that comes or goes moves; what is in it would be listed by its own name.
 */
const SYSTEMS_OWN: readonly RegExp[] = [
  // The accounts, which useradd and userdel rewrite, with the copy that they make of each.
  /^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-?$/,
  // Folders in which something of ours was for a time.
  /^\/(etc|opt|run|tmp|var\/(lib|log|tmp)|usr\/local\/bin)$/,
  /^\/etc\/systemd\/system(\/(multi-user|sockets|timers)\.target\.wants)?$/,
  // The journal, to which all units write.
  /^\/var\/log\/journal\//,
  // Clocks and seeds of systemd's own timers and services.
  /^\/var\/lib\/systemd\//,
];

async function leftovers(): Promise<string[]> {
  const { out } = await machine.runOk(`find / -xdev -newer ${MARKER} -print`);
  return out.split('\n').filter((path) => path !== '' && !SYSTEMS_OWN.some((own) => own.test(path)));
}

async function install(): Promise<string> {
  const { one_liner } = await orchestrator.createToken();
  await machine.runOk(['bash'], { input: `${one_liner}\n`, timeoutMs: 120_000 });
  return (await machine.readFile('/opt/vm-agent/security/vm_id')).toString().trim();
}

const uninstall = (...more: string[]) =>
  machine.run(['vm-agent', 'uninstall', '--yes', ...more], { timeoutMs: 120_000 });

it('[remove-1] leaves nothing that was not there before, after install, use and uninstall --purge', async () => {
  await machine.runOk(`touch ${MARKER}`);
  const vmId = await install();
  const used = await orchestrator.cli([
    'run',
    '--selector',
    'all',
    '--',
    'echo used > /tmp/$$ && rm /tmp/$$; id',
  ]);
  expect(used.code).toBe(0);
  // What an installer leaves that was killed while it wrote the command.
  await machine.writeFile('/usr/local/bin/vm-agent.0123456789ab.tmp', '');
  const { code, out, err } = await uninstall('--purge');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain(`${vmId} ended at the orchestrator`);
  expect(await traces(machine)).toBe('');
  expect(await leftovers()).toEqual([]);
  expect(await orchestrator.agents()).toEqual([]);
});

it('keeps logs and configuration without --purge, and a new installation goes on with that policy', async () => {
  await install();
  const policy = '/opt/vm-agent/config/policy.yaml';
  await machine.runOk(`echo '# tightened by its owner' >> ${policy}`);
  const { code, out } = await uninstall('--json');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    removed: true,
    deregistered: 'done',
    kept: ['/opt/vm-agent/config', '/var/log/vm-agent'],
  });
  const kept = await machine.runOk(
    'find /opt/vm-agent /var/log/vm-agent -type f -printf "%f %u %g\\n" | sort',
  );
  expect(kept.out).toBe(
    'agent.log root root\nagent_config.yaml root root\nexecutor.db root root\npolicy.yaml root root\n',
  );
  await install();
  expect((await machine.readFile(policy)).toString()).toContain('# tightened by its owner');
  expect((await machine.runOk(['systemctl', 'is-active', 'vm-agent'])).out).toBe('active\n');
});

it('[remove-2] is finished by a second run after a kill -9 at each of its steps', async () => {
  const killedAt: string[] = [];
  for (let step = 1; step <= 6; step++) {
    const line = new RegExp(`^\\[${step}/6\\] .* \\.\\.\\.$`, 'm');
    const { child, stop } = machine.start(['vm-agent', 'uninstall', '--yes']);
    let out = '';
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (!line.test(out)) return;
      killedAt.push(line.exec(out)?.[0] ?? '');
      child.stdout?.removeAllListeners('data').resume();
      stop();
    });
    await ended;
  }
  expect(killedAt).toHaveLength(6);
  const last = await machine.run('vm-agent uninstall --yes --purge');
  // Killed in its last step it may have finished that.
  expect([0, 127]).toContain(last.code);
  const purged = await machine.run([
    'sh',
    '-c',
    'rm -rf /opt/vm-agent/config /var/log/vm-agent; rmdir /opt/vm-agent',
  ]);
  expect(purged.err).not.toMatch(/not empty/);
  expect(await traces(machine)).toBe('');
});

it('is finished by the command that it left when the programs were gone already, and by no other word', async () => {
  const command = '/usr/local/bin/vm-agent';
  await machine.writeFile(command, finisherScript(diskLayout(), command), '0755');
  await machine.runOk('mkdir -p /opt/vm-agent/versions/1.0.0; ln -s versions/1.0.0 /opt/vm-agent/current');
  await machine.writeFile(`${command}.0123456789ab.tmp`, '');
  const other = await machine.run(['vm-agent', 'status']);
  expect(other).toMatchObject({ code: 1, err: expect.stringContaining('vm-agent uninstall') });
  expect((await machine.run(['vm-agent', 'uninstall', '--dry-run'])).code).toBe(0);
  expect(await machine.exists('/opt/vm-agent/versions/1.0.0')).toBe(true);
  expect((await machine.run(['vm-agent', 'uninstall', '--yes'])).code).toBe(0);
  expect(await traces(machine)).toBe('');
});

it('is undone by an installation that comes after one that was cut off', async () => {
  const command = '/usr/local/bin/vm-agent';
  await machine.writeFile(command, finisherScript(diskLayout(), command), '0755');
  await install();
  expect((await machine.run(['vm-agent', 'status'])).code).toBe(0);
  const inside = await orchestrator.cli(['run', '--selector', 'all', '--', 'vm-agent uninstall --yes']);
  expect(inside.code).toBe(24);
  expect(inside.err + inside.out).toContain('systemd-run --collect');
  expect((await uninstall('--purge')).code).toBe(0);
});

it('goes on without the orchestrator, and says what is left to do there', async () => {
  const vmId = await install();
  await orchestrator.stop();
  const { code, out } = await uninstall('--purge');
  expect(code).toBe(0);
  expect(out).toContain(`vm-orchestrator agents revoke ${vmId}`);
  expect(await traces(machine)).toBe('');
  await orchestrator.start();
});
