// An administrator's ssh to a machine: a key of his own, and the machine's host key known.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgramOk } from '../harness/command.ts';
import type { Machine } from '../harness/machine.ts';

export interface SshAccess {
  /** Put before PATH: `ssh` and `scp` in it use this access, and no other configuration. */
  readonly bin: string;
  /** A configuration file for `ssh -F`. */
  readonly config: string;
  dispose(): void;
}

/** Lets root of each machine in, by its hostname. */
export async function sshTo(machines: readonly Machine[]): Promise<SshAccess> {
  const folder = mkdtempSync(join(tmpdir(), 'vm-agent-ssh-'));
  const key = join(folder, 'id');
  await runProgramOk(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const known: string[] = [];
  for (const machine of machines) {
    await machine.writeFile('/root/.ssh/authorized_keys', readFileSync(`${key}.pub`), '0600');
    const hostKey = (await machine.readFile('/etc/ssh/ssh_host_ed25519_key.pub')).toString().trim();
    known.push(`${machine.address} ${hostKey}\n`);
  }
  writeFileSync(join(folder, 'known_hosts'), known.join(''));
  const config = join(folder, 'config');
  writeFileSync(
    config,
    [
      ...machines.map(({ hostname, address }) => `Host ${hostname}\n  HostName ${address}\n`),
      `Host *\n  IdentityFile ${key}\n  IdentitiesOnly yes\n  BatchMode yes\n  StrictHostKeyChecking yes\n`,
      `  UserKnownHostsFile ${join(folder, 'known_hosts')}\n  ConnectTimeout 10\n`,
    ].join(''),
  );
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const program of ['ssh', 'scp']) {
    writeFileSync(join(bin, program), `#!/bin/sh\nexec /usr/bin/${program} -F '${config}' "$@"\n`);
    chmodSync(join(bin, program), 0o755);
  }
  return { bin, config, dispose: () => rmSync(folder, { recursive: true, force: true }) };
}
