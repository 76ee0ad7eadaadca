// What the machines of the host suite are made of. Each change here makes a new cache entry.

/**
 * `standard` has curl, `wget` has wget in its place, `bare` has neither: what a bootstrap script may meet. `ssh` is
 * `standard` with an sshd as Debian configures it.
 */
export type RootfsPurpose = 'standard' | 'wget' | 'bare' | 'ssh';

const minimalServer = [
  'systemd',
  'systemd-sysv',
  'dbus',
  'procps',
  'iproute2',
  'hostname',
  'sudo',
  'ca-certificates',
  // What commands of an administrator are tried on.
  'cron',
  'iptables',
];

// `usrmerge` would bring all of Perl for a one-time conversion of a system that is already merged.
const insteadOfUsrmerge = 'usr-is-merged';

export const packagesFor: Readonly<Record<RootfsPurpose, readonly string[]>> = {
  standard: [...minimalServer, insteadOfUsrmerge, 'curl'],
  wget: [...minimalServer, insteadOfUsrmerge, 'wget'],
  bare: [...minimalServer, insteadOfUsrmerge],
  ssh: [...minimalServer, insteadOfUsrmerge, 'curl', 'openssh-server'],
};

/** Programs that a machine must have, so that a test does not pass or fail for want of them. */
export const requiredPrograms: Readonly<Record<RootfsPurpose, readonly string[]>> = {
  standard: ['curl', 'systemctl', 'ip', 'ps', 'hostname', 'tar', 'gzip', 'sha256sum', 'sudo'],
  wget: ['wget', 'systemctl', 'ip', 'ps', 'hostname', 'tar', 'gzip', 'sha256sum', 'sudo'],
  bare: ['systemctl', 'ip', 'ps', 'hostname', 'tar', 'gzip', 'sha256sum', 'sudo'],
  ssh: ['curl', 'sshd', 'systemctl', 'ip', 'ps', 'hostname', 'tar', 'gzip', 'sha256sum', 'sudo'],
};

const neverThere = [
  'node',
  'nodejs',
  'npm',
  'python',
  'python3',
  'openssl',
  'git',
  'jq',
  'gcc',
  'unzip',
  'xz',
];

/** Programs that a machine must not have: what the product needs it has to bring. */
export const forbiddenPrograms: Readonly<Record<RootfsPurpose, readonly string[]>> = {
  standard: [...neverThere, 'wget'],
  wget: [...neverThere, 'curl'],
  bare: [...neverThere, 'curl', 'wget'],
  ssh: [...neverThere, 'wget'],
};

/** Documentation, translations: nothing that runs. Halves what is copied for each machine. */
export const excludedPaths = [
  '/usr/share/man/*',
  '/usr/share/locale/*',
  '/usr/share/doc/*',
  '/usr/share/info/*',
];

/**
 * Units that a container cannot start on every host, that wait for a network which is not there, or that would
 * start by the clock in the middle of a test.
 */
const maskedUnits = [
  'dev-hugepages.mount',
  'sys-fs-fuse-connections.mount',
  'systemd-remount-fs.service',
  'console-getty.service',
  'getty@.service',
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'fstrim.timer',
  'motd-news.timer',
];

/**
 * Runs on the host with the new root as `$1`, after all packages are in. `openssl` goes although ca-certificates
 * depends on it: certificates are linked by then, and nothing of ours may come to lean on the command.
 */
export const finishScript = [
  'rm -f "$1/usr/bin/openssl" "$1/usr/bin/c_rehash"',
  'rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/hostname" "$1/etc/resolv.conf"',
  ': > "$1/etc/resolv.conf"',
  ': > "$1/etc/machine-id"',
  'rm -f "$1/var/lib/dbus/machine-id"',
  ...maskedUnits.map((unit) => `ln -sf /dev/null "$1/etc/systemd/system/${unit}"`),
].join('\n');
