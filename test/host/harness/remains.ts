// Where a machine's things are, and how they are removed. Everything is named by the machine's id, so that a process
// which knows nothing but the id can remove all of it: at `dispose`, after a crash, or in a later run.
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache.ts';
import { cgroupsOf, emptyCgroups } from './cgroups.ts';
import { runProgram, runProgramOk } from './command.ts';
import { removeNetwork } from './network.ts';
import { claim, isOwnerAlive, isSameOwner, type Owner, readClaim } from './owner.ts';

const machinesFolder = join(cacheFolder, 'machines');

/** The name under which systemd-nspawn knows a machine. */
export function nspawnName(id: string): string {
  return `vm-agent-${id}`;
}

/** The directory that holds a machine: its root, its console's text and its owner. */
export function folderOf(id: string): string {
  return join(machinesFolder, id);
}

/** Takes a new id. From here on the machine counts as this process's, and is removed with it. */
export function claimMachine(): string {
  const id = randomBytes(3).toString('hex');
  mkdirSync(machinesFolder, { recursive: true, mode: 0o700 });
  const draft = mkdtempSync(join(machinesFolder, '.new-'));
  claim(join(draft, 'owner'));
  renameSync(draft, folderOf(id));
  return id;
}

/** Removes processes, cgroups, mounts, network and files of a machine; what is gone already is no error. */
export async function removeMachine(id: string): Promise<void> {
  const folder = folderOf(id);
  await emptyCgroups(cgroupsOf(id));
  await removeNetwork(id);
  for (const point of mountsUnder(folder)) await runProgram(['umount', '--lazy', point]);
  removeNspawnLock(join(folder, 'root'));
  rmSync(join('/run/systemd/nspawn/propagate', nspawnName(id)), { recursive: true, force: true });
  await runProgramOk(['rm', '-rf', '--one-file-system', folder]);
}

/** Removes the machines of processes that no longer live. */
export async function removeStaleMachines(): Promise<void> {
  await removeMachinesWhere((owner) => !isOwnerAlive(owner));
}

/** Removes the machines of one process, which lives no more or needs them no more. */
export async function removeMachinesOf(owner: Owner): Promise<void> {
  await removeMachinesWhere((candidate) => isSameOwner(candidate, owner));
}

async function removeMachinesWhere(matches: (owner: Owner) => boolean): Promise<void> {
  if (!existsSync(machinesFolder)) return;
  for (const id of readdirSync(machinesFolder)) {
    const owner = readClaim(join(machinesFolder, id, 'owner'));
    if (owner !== undefined && matches(owner)) await removeMachine(id);
  }
}

/** systemd-nspawn removes its lock on the directory itself, but not when it is killed. */
function removeNspawnLock(root: string): void {
  const status = statSync(root, { throwIfNoEntry: false });
  if (status === undefined) return;
  rmSync(`/run/systemd/nspawn/locks/inode-${status.dev}:${status.ino}`, { force: true });
}

/** Mount points below a folder, the innermost first. */
export function mountsUnder(folder: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${folder}/`))
    .reverse();
}
