// A booted machine with Debian's stock sshd: its own host key, and root let in by key alone.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgramOk } from '../../host/harness/command.ts';
import { bootMachine, type Machine } from '../../host/harness/machine.ts';

export interface SshKey {
  /** OpenSSH's own format. */
  readonly privateKey: string;
  /** A line of authorized_keys. */
  readonly publicKey: string;
}

export interface SshMachine {
  readonly machine: Machine;
  /** A line of authorized_keys, as `hostKey` of a connection wants it. */
  readonly hostKey: string;
}

/** A new key pair without a passphrase. */
export async function sshKey(): Promise<SshKey> {
  const folder = mkdtempSync(join(tmpdir(), 'vm-agent-ssh-'));
  try {
    const file = join(folder, 'key');
    await runProgramOk(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'fleet-test', '-f', file]);
    return { privateKey: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8').trim() };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Boots a machine that lets root in with this key. */
export async function bootSshMachine(hostname: string, key: SshKey): Promise<SshMachine> {
  const machine = await bootMachine({ hostname, rootfs: 'ssh' });
  try {
    await machine.runOk('mkdir -p -m 0700 /root/.ssh');
    await machine.writeFile('/root/.ssh/authorized_keys', `${key.publicKey}\n`, '0600');
    // The image's host keys are the same on all machines.
    await machine.runOk('rm /etc/ssh/ssh_host_*; ssh-keygen -A && systemctl restart ssh');
    const line = (await machine.readFile('/etc/ssh/ssh_host_ed25519_key.pub')).toString();
    return { machine, hostKey: line.split(' ').slice(0, 2).join(' ').trim() };
  } catch (error) {
    await machine.dispose();
    throw error;
  }
}
