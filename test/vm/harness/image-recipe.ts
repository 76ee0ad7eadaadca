// What the virtual machines of the suite boot from. Each change here makes a new cache entry.

/** A cloud server's packages; `qemu-guest-agent` is how the tests run commands in it. */
const imagePackages: readonly string[] = [
  'linux-image-cloud-amd64',
  'initramfs-tools',
  'systemd',
  'systemd-sysv',
  'udev',
  'dbus',
  'procps',
  'iproute2',
  'hostname',
  'sudo',
  'ca-certificates',
  'curl',
  'qemu-guest-agent',
  // `usrmerge` would bring all of Perl for a one-time conversion of a system that is already merged.
  'usr-is-merged',
];

/** `plain` has what a server needs to boot; `cloud-init` also configures itself from the platform's user-data. */
export type ImageKind = 'plain' | 'cloud-init';

const cloudInitPackages: readonly string[] = ['cloud-init'];

/** Sparse: room for the agent's bundle, its state and what tests write. */
export const diskSize = '4G';

/** QEMU's user network gives this address to nobody else; the host's loopback is 10.0.2.2. */
export const hostAddress = '10.0.2.2';

const network = ['[Match]', 'Type=ether', '[Network]', 'Address=10.0.2.15/24', `Gateway=${hostAddress}`];

// What a test runs is a child of the guest agent: its end for want of memory must not end the way in.
const guestAgent = ['[Service]', 'OOMPolicy=continue', 'OOMScoreAdjust=-900'];

/** Units that would start by the clock in the middle of a test, or that nobody waits for. */
const maskedUnits = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'getty@.service',
  'serial-getty@.service',
];

/** Before the kernel comes in: an initial RAM disk with nothing but the way to the disk boots much sooner. */
export const essentialScript = [
  'mkdir -p "$1/etc/initramfs-tools/conf.d"',
  'printf "MODULES=list\\nCOMPRESS=gzip\\n" >"$1/etc/initramfs-tools/conf.d/vm"',
  'printf "virtio_pci\\nvirtio_blk\\next4\\n" >"$1/etc/initramfs-tools/modules"',
].join('\n');

/** Runs on the host with the new root as `$1`, after all packages are in. */
const finishScript = [
  'rm -f "$1/usr/bin/openssl" "$1/usr/bin/c_rehash"',
  'rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/resolv.conf" "$1/var/lib/dbus/machine-id"',
  ': >"$1/etc/resolv.conf"',
  ': >"$1/etc/machine-id"',
  'echo vm >"$1/etc/hostname"',
  'echo "127.0.0.1 localhost" >"$1/etc/hosts"',
  'echo "LABEL=root / ext4 rw 0 0" >"$1/etc/fstab"',
  'mkdir -p "$1/etc/systemd/network" "$1/etc/systemd/system/qemu-guest-agent.service.d"',
  `printf '%s\\n' ${network.map((line) => `'${line}'`).join(' ')} >"$1/etc/systemd/network/10-vm.network"`,
  `printf '%s\\n' ${guestAgent.map((line) => `'${line}'`).join(' ')} >"$1/etc/systemd/system/qemu-guest-agent.service.d/vm.conf"`,
  'chroot "$1" systemctl --quiet enable systemd-networkd qemu-guest-agent 2>/dev/null',
  ...maskedUnits.map((unit) => `ln -sf /dev/null "$1/etc/systemd/system/${unit}"`),
].join('\n');

// A real image's own settings, except that the network is there already and the name comes from the kernel's line.
const cloudInit = [
  'datasource_list: [NoCloud, None]',
  'network: {config: disabled}',
  'preserve_hostname: true',
  'apt: {preserve_sources_list: true}',
  'locale: false',
];

const cloudInitScript = [
  `printf '%s\\n' ${cloudInit.map((line) => `'${line}'`).join(' ')} >"$1/etc/cloud/cloud.cfg.d/90-vm.cfg"`,
].join('\n');

export interface Recipe {
  readonly packages: readonly string[];
  readonly finish: string;
}

export const recipeOf = (kind: ImageKind): Recipe =>
  kind === 'plain'
    ? { packages: imagePackages, finish: finishScript }
    : {
        packages: [...imagePackages, ...cloudInitPackages],
        finish: `${finishScript}\n${cloudInitScript}`,
      };
