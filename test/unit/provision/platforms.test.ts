import { describe, expect, it } from 'vitest';
import type { AppError } from '../../../protocol/errors.ts';
import { parseOsRelease } from '../../../provision/host.ts';
import { preflight } from '../../../provision/preflight.ts';
import { managersFor, systemDependencies } from '../../../provision/steps/system-dependencies.ts';
import { type Family, isAtLeast, systemOf } from '../../../provision/system.ts';
import { fakeHost } from '../../fakes/fake-host.ts';

interface Distribution {
  release: string;
  family: Family;
  /** Major version; undefined: another init. */
  systemd: number | undefined;
  glibc: string | undefined;
  system: RegExp | 'works';
  user: RegExp | 'works';
}

const os = (id: string, like: string, pretty: string) =>
  `NAME="x"\nID=${id}\n${like === '' ? '' : `ID_LIKE="${like}"\n`}PRETTY_NAME="${pretty}"\n`;
const OLD = (version: number) => new RegExp(`systemd ${version}`);

const DISTRIBUTIONS: Readonly<Record<string, Distribution>> = {
  'Debian 10': {
    release: os('debian', '', 'Debian GNU/Linux 10 (buster)'),
    family: 'debian',
    systemd: 241,
    glibc: '2.28',
    system: OLD(241),
    user: 'works',
  },
  'Debian 11': {
    release: os('debian', '', 'Debian GNU/Linux 11 (bullseye)'),
    family: 'debian',
    systemd: 247,
    glibc: '2.31',
    system: OLD(247),
    user: 'works',
  },
  'Debian 12': {
    release: os('debian', '', 'Debian GNU/Linux 12 (bookworm)'),
    family: 'debian',
    systemd: 252,
    glibc: '2.36',
    system: 'works',
    user: 'works',
  },
  'Ubuntu 20.04': {
    release: os('ubuntu', 'debian', 'Ubuntu 20.04.6 LTS'),
    family: 'debian',
    systemd: 245,
    glibc: '2.31',
    system: OLD(245),
    user: 'works',
  },
  'Ubuntu 22.04': {
    release: os('ubuntu', 'debian', 'Ubuntu 22.04.5 LTS'),
    family: 'debian',
    systemd: 249,
    glibc: '2.35',
    system: 'works',
    user: 'works',
  },
  'Ubuntu 24.04': {
    release: os('ubuntu', 'debian', 'Ubuntu 24.04.1 LTS'),
    family: 'debian',
    systemd: 255,
    glibc: '2.39',
    system: 'works',
    user: 'works',
  },
  'Mint 22': {
    release: os('linuxmint', 'ubuntu debian', 'Linux Mint 22'),
    family: 'debian',
    systemd: 255,
    glibc: '2.39',
    system: 'works',
    user: 'works',
  },
  'RHEL 8': {
    release: os('rhel', 'fedora', 'Red Hat Enterprise Linux 8.10 (Ootpa)'),
    family: 'rhel',
    systemd: 239,
    glibc: '2.28',
    system: OLD(239),
    user: 'works',
  },
  'RHEL 9': {
    release: os('rhel', 'fedora', 'Red Hat Enterprise Linux 9.4 (Plow)'),
    family: 'rhel',
    systemd: 252,
    glibc: '2.34',
    system: 'works',
    user: 'works',
  },
  'Rocky 9': {
    release: os('rocky', 'rhel centos fedora', 'Rocky Linux 9.4 (Blue Onyx)'),
    family: 'rhel',
    systemd: 252,
    glibc: '2.34',
    system: 'works',
    user: 'works',
  },
  'Alma 9': {
    release: os('almalinux', 'rhel centos fedora', 'AlmaLinux 9.4'),
    family: 'rhel',
    systemd: 252,
    glibc: '2.34',
    system: 'works',
    user: 'works',
  },
  'Oracle 9': {
    release: os('ol', 'fedora', 'Oracle Linux Server 9.4'),
    family: 'rhel',
    systemd: 252,
    glibc: '2.34',
    system: 'works',
    user: 'works',
  },
  'Amazon Linux 2': {
    release: os('amzn', 'centos rhel fedora', 'Amazon Linux 2'),
    family: 'rhel',
    systemd: 219,
    glibc: '2.26',
    system: /glibc 2\.26/,
    user: /glibc 2\.26/,
  },
  'Amazon Linux 2023': {
    release: os('amzn', 'fedora', 'Amazon Linux 2023'),
    family: 'rhel',
    systemd: 252,
    glibc: '2.34',
    system: 'works',
    user: 'works',
  },
  'SLES 15': {
    release: os('sles', 'suse', 'SUSE Linux Enterprise Server 15 SP6'),
    family: 'suse',
    systemd: 254,
    glibc: '2.38',
    system: 'works',
    user: 'works',
  },
  'openSUSE Leap': {
    release: os('opensuse-leap', 'suse opensuse', 'openSUSE Leap 15.6'),
    family: 'suse',
    systemd: 254,
    glibc: '2.38',
    system: 'works',
    user: 'works',
  },
  Alpine: {
    release: os('alpine', '', 'Alpine Linux v3.20'),
    family: 'other',
    systemd: undefined,
    glibc: undefined,
    system: /no glibc.*musl/,
    user: /no glibc.*musl/,
  },
  'Void with glibc': {
    release: os('void', '', 'Void Linux'),
    family: 'other',
    systemd: undefined,
    glibc: '2.39',
    system: /systemd does not run/,
    user: 'works',
  },
  'Void with musl': {
    release: os('void', '', 'Void Linux'),
    family: 'other',
    systemd: undefined,
    glibc: undefined,
    system: /no glibc/,
    user: /no glibc/,
  },
};

const hostOf = ({ release, systemd, glibc }: Distribution) =>
  fakeHost({
    glibcVersion: () => glibc,
    osRelease: async () => parseOsRelease(release),
    async run(_file, [word]) {
      if (systemd === undefined) throw Object.assign(new Error('spawn systemctl ENOENT'), { code: 'ENOENT' });
      const stdout = word === '--version' ? `systemd ${systemd} (${systemd}.4-1)\n+PAM\n` : 'running\n';
      return { code: 0, stdout, stderr: '' };
    },
  });

describe.each(Object.entries(DISTRIBUTIONS))('%s', (_name, distribution) => {
  it.each(['system', 'user'] as const)(
    'is taken or refused with what was found, in %s mode',
    async (mode) => {
      const outcome = await preflight({ host: hostOf(distribution), mode, dryRun: false }).then(
        () => undefined,
        (error: AppError) => error,
      );
      const expected = distribution[mode];
      if (expected === 'works') return expect(outcome).toBeUndefined();
      expect(outcome).toMatchObject({
        code: 'platform_unsupported',
        message: expect.stringMatching(expected),
      });
      expect(outcome?.message).toContain(systemOf(parseOsRelease(distribution.release)).name);
      // What is possible: an installation of one's own where that works, else another system or a container.
      expect(outcome?.hint).toMatch(distribution.user === 'works' ? /--user/ : /container/);
    },
  );

  it('is known by its family', () => {
    expect(systemOf(parseOsRelease(distribution.release)).family).toBe(distribution.family);
  });
});

it('runs on amd64 and arm64 alone', async () => {
  for (const arch of ['x64', 'arm64'])
    await expect(
      preflight({ host: fakeHost({ arch }), mode: 'user', dryRun: false }),
    ).resolves.toBeUndefined();
  for (const arch of ['ia32', 'arm', 'riscv64', 's390x', 'ppc64'])
    await expect(preflight({ host: fakeHost({ arch }), mode: 'user', dryRun: false })).rejects.toMatchObject({
      code: 'platform_unsupported',
      message: expect.stringContaining(arch),
    });
});

it('compares versions by their numbers', () => {
  expect(isAtLeast('2.28', '2.28')).toBe(true);
  expect(isAtLeast('2.9', '2.28')).toBe(false);
  expect(isAtLeast('3.0', '2.28')).toBe(true);
});

it('installs with the package manager of the family, and with any other that is there', async () => {
  expect(managersFor('debian')[0]?.program).toBe('apt-get');
  expect(managersFor('suse')[0]?.program).toBe('zypper');
  const ran: string[] = [];
  const only = (program: string, release: string) =>
    systemDependencies({
      mode: 'system',
      skipDependencies: false,
      host: fakeHost({
        osRelease: async () => parseOsRelease(release),
        which: async (name) => (name === program ? `/usr/bin/${name}` : undefined),
        run: async (file, args) => {
          ran.push([file, ...args].join(' '));
          return { code: 0, stdout: '', stderr: '' };
        },
      }),
    });
  expect(await only('apt-get', os('debian', '', 'Debian 12')).isDone()).toBe(false);
  await only('apt-get', os('debian', '', 'Debian 12')).apply();
  await only('zypper', os('sles', 'suse', 'SLES 15')).apply();
  await only('dnf', os('unheard-of', '', 'Unheard Of')).apply();
  expect(ran).toEqual([
    '/usr/bin/apt-get update -q',
    '/usr/bin/apt-get install -q -y --no-install-recommends passwd',
    '/usr/bin/zypper --non-interactive --quiet install shadow',
    '/usr/bin/dnf install -q -y shadow-utils',
  ]);
});

it('skips what it was told to skip', async () => {
  const host = fakeHost({ which: async () => undefined });
  expect(await systemDependencies({ mode: 'system', skipDependencies: true, host }).isDone()).toBe(true);
});
