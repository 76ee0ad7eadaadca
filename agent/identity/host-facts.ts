import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { arch, cpus, hostname, networkInterfaces, platform, release, totalmem } from 'node:os';
import { isoTime } from '../../base/clock.ts';
import type { Facts } from '../../protocol/facts.ts';

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

function osRelease(key: string): string {
  const match = new RegExp(`^${key}=(?:"(.*)"|(.*))$`, 'm').exec(read('/etc/os-release'));
  return match?.[1] ?? match?.[2] ?? '';
}

/** What this machine says about itself when it registers and connects. */
export function hostFacts(): Facts {
  const bootSeconds = Number(/^btime (\d+)$/m.exec(read('/proc/stat'))?.[1] ?? Number.NaN);
  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((address) => !address.internal)
    .map((address) => address.address.slice(0, 64));
  return {
    hostname: hostname().slice(0, 255),
    os: platform(),
    os_name: osRelease('PRETTY_NAME').slice(0, 256),
    os_id: osRelease('ID').slice(0, 64),
    os_version: osRelease('VERSION_ID').slice(0, 64),
    kernel: release().slice(0, 256),
    arch: arch(),
    cpus: cpus().length,
    memory_bytes: totalmem(),
    addresses: addresses.slice(0, 64),
    ...(Number.isNaN(bootSeconds) ? {} : { boot_time: isoTime(bootSeconds * 1000) }),
  };
}

/** What docker and podman put into theirs. */
const CONTAINER_MARKS = ['/.dockerenv', '/run/.containerenv'];

/**
 * Tells a machine from its clone without giving its machine-id away, as machine-id(5) asks: a hash for this program
 * alone. `home` is part of it, since several agents may live on one host. `unknown` where the system has no id, and in
 * a container, whose id is that of its image, or another one at each start.
 */
export function machineHash(home: string): string {
  const id = CONTAINER_MARKS.some(existsSync) ? '' : read('/etc/machine-id').trim();
  return id === '' ? 'unknown' : createHash('sha256').update(`vm-agent:${home}:${id}`).digest('hex');
}
