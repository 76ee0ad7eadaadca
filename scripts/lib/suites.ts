/** The suites of test/, cheapest first but for the last: vitest.config.ts makes a project of each, `npm test` runs them in this order. */
export interface Suite {
  readonly name: string;
  /** Its test files, as a glob. */
  readonly files: string;
  /** Longest that one test may take (ms). */
  readonly timeout: number;
  /** Test files run one after the other: they share the machine's systemd, network or display. */
  readonly serial?: boolean;
  /** Test files that run at the same time at most; one less than the machine has processors, if left out. */
  readonly workers?: number;
  readonly needsRoot?: boolean;
  /** What apt-get installs, where it is missing. */
  readonly packages?: readonly string[];
  /** What some of its tests need besides, and at full size: without it they are skipped, and the others run. */
  readonly wants?: { readonly always: readonly string[]; readonly full: readonly string[] };
  /** A program that prints, as a JSON array, why this machine cannot run the suite even so. */
  readonly preflight?: string;
  /** The preflight makes ready what takes minutes: it is started with the run, in the background, as well. */
  readonly startsEarly?: boolean;
}

/** For machines with systemd in containers, and what reaches them. */
const MACHINES: readonly string[] = [
  'systemd-container',
  'mmdebstrap',
  'iproute2',
  'openssl',
  'curl',
  'ca-certificates',
  'openssh-client',
];

/** Set by `npm test -- --full`: sizes as test/faults/support/size.ts gives them, and time for them. */
export const FULL_SIZE = 'VM_AGENT_TEST_FULL';

/** How much longer a test may take at full size. */
export const FULL_PATIENCE = 90;

export const SUITES: readonly Suite[] = [
  { name: 'house', files: 'test/*.test.ts', timeout: 30_000 },
  { name: 'pins', files: 'test/pins/**/*.test.ts', timeout: 10_000 },
  { name: 'unit', files: 'test/unit/**/*.test.ts', timeout: 10_000 },
  { name: 'fuzz', files: 'test/fuzz/**/*.test.ts', timeout: 60_000 },
  {
    name: 'integration',
    files: 'test/integration/**/*.test.ts',
    timeout: 60_000,
    // Programs that start, and that wait for each other.
    workers: 2,
  },
  {
    name: 'faults',
    files: 'test/faults/**/*.test.ts',
    timeout: 120_000,
    // They wait more than they work: for what is cut off to come back.
    workers: 2,
    wants: { always: ['faketime', 'gcc', 'libc6-dev', 'openssl'], full: ['testssl.sh'] },
  },
  { name: 'mcp', files: 'test/mcp/**/*.test.ts', timeout: 60_000, serial: true },
  {
    name: 'browser',
    files: 'test/browser/**/*.test.ts',
    timeout: 120_000,
    serial: true,
    packages: ['chromium'],
  },
  {
    name: 'host',
    files: 'test/host/**/*.test.ts',
    timeout: 300_000,
    // Each machine has a network of its own, and waits more than it works.
    workers: 2,
    needsRoot: true,
    packages: [...MACHINES, 'faketime'],
    preflight: 'test/host/harness/preflight.ts',
  },
  {
    name: 'image',
    files: 'test/image/**/*.test.ts',
    timeout: 600_000,
    serial: true,
    needsRoot: true,
    packages: ['mmdebstrap', 'umoci', 'skopeo', 'runc', 'ca-certificates'],
    preflight: 'test/image/support/preflight.ts',
  },
  {
    name: 'vm',
    files: 'test/vm/**/*.test.ts',
    timeout: 900_000,
    serial: true,
    needsRoot: true,
    packages: [
      'qemu-system-x86',
      'qemu-utils',
      'cloud-image-utils',
      'mmdebstrap',
      'e2fsprogs',
      'iproute2',
      'curl',
      'ca-certificates',
    ],
    preflight: 'test/vm/harness/preflight.ts',
  },
  // Last, because its engine is built meanwhile where the machine has none.
  {
    name: 'pulumi',
    files: 'test/pulumi/**/*.test.ts',
    timeout: 300_000,
    serial: true,
    needsRoot: true,
    packages: MACHINES,
    preflight: 'test/pulumi/engine/preflight.ts',
    startsEarly: true,
  },
];
