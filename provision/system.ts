import type { Host } from './host.ts';

/** A kind of distribution: they share their package manager and the names of packages. */
export type Family = 'debian' | 'rhel' | 'suse' | 'arch' | 'other';

/** What an installation stands on, as /etc/os-release and the programs tell. */
export interface System {
  /** For people: `Debian GNU/Linux 12 (bookworm)`. */
  name: string;
  family: Family;
}

const FAMILIES: Readonly<Record<string, Family>> = {
  debian: 'debian',
  ubuntu: 'debian',
  rhel: 'rhel',
  fedora: 'rhel',
  centos: 'rhel',
  rocky: 'rhel',
  almalinux: 'rhel',
  amzn: 'rhel',
  suse: 'suse',
  sles: 'suse',
  opensuse: 'suse',
  arch: 'arch',
};

/** From ID, else the first of ID_LIKE that is known (man os-release). */
export function systemOf(release: Readonly<Record<string, string>>): System {
  const words = [release['ID'] ?? '', ...(release['ID_LIKE'] ?? '').split(/\s+/)];
  const family = words.map((word) => FAMILIES[word]).find((found) => found !== undefined) ?? 'other';
  const name =
    release['PRETTY_NAME'] ?? release['NAME'] ?? release['ID'] ?? 'a system without /etc/os-release';
  return { name, family };
}

/** What the agent needs of the system; Node itself needs that glibc. */
export const FLOORS = { systemd: 249, glibc: '2.28' } as const;

/** `systemd 252 (252.39-1~deb12u2)` → 252; undefined when this is no systemd. */
export async function systemdVersion(host: Pick<Host, 'run'>): Promise<number | undefined> {
  const { stdout } = await host.run('systemctl', ['--version']).catch(() => ({ stdout: '' }));
  const digits = /^systemd (\d+)/.exec(stdout)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Whether a version like `2.31` is at least another one, part by part. */
export function isAtLeast(version: string, floor: string): boolean {
  const [a, b] = [version, floor].map((text) => text.split('.').map(Number));
  for (const [index, part] of (b ?? []).entries()) {
    const own = a?.[index] ?? 0;
    if (own !== part) return own > part;
  }
  return true;
}
