// Who made a thing that outlives its maker (a namespace, a directory, a lock), and whether that process still lives.
import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** A process, told apart from a later one with the same pid by its start time and the host's boot. */
export interface Owner {
  readonly pid: number;
  /** Clock ticks since boot (field 22 of /proc/PID/stat). */
  readonly startTime: string;
  readonly bootId: string;
}

export function currentOwner(): Owner {
  const startTime = startTimeOf(process.pid);
  if (startTime === undefined)
    throw new Error('/proc/self/stat is not readable: the host suite needs Linux with /proc');
  return { pid: process.pid, startTime, bootId: hostBootId() };
}

export function isOwnerAlive(owner: Owner): boolean {
  return owner.bootId === hostBootId() && owner.startTime === startTimeOf(owner.pid);
}

export function isSameOwner(left: Owner, right: Owner): boolean {
  return left.pid === right.pid && left.startTime === right.startTime && left.bootId === right.bootId;
}

/** Creates `path` with this process's name in it, whole or not at all; false if somebody has it already. */
export function claim(path: string): boolean {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(draft, JSON.stringify(currentOwner()), { mode: 0o600 });
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Who holds the claim at `path`, or undefined if nobody does any more. */
export function readClaim(path: string): Owner | undefined {
  try {
    const { pid, startTime, bootId } = JSON.parse(readFileSync(path, 'utf8'));
    return { pid: Number(pid), startTime: String(startTime), bootId: String(bootId) };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function hostBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces: count from its end.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : fields[18];
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) return undefined;
    throw error;
  }
}
