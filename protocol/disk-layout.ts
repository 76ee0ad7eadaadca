/**
 * Every path and mode on an agent's machine: installer, daemon and diagnosis agree here. Without a home the paths
 * are the system's; with one (user mode, tests, several agents on a host) everything lies below it.
 */
export interface DiskLayout {
  /** Undefined: installed for the whole system. */
  home: string | undefined;
  root: string;
  security: string;
  config: string;
  trust: string;
  versions: string;
  current: string;
  plugins: string;
  state: string;
  log: string;
  run: string;
  /** The executor's alone: replay state, markers, output, audit chain. */
  execState: string;
}

export function diskLayout(home?: string): DiskLayout {
  const root = home ?? '/opt/vm-agent';
  return {
    home,
    root,
    security: `${root}/security`,
    config: `${root}/config`,
    trust: `${root}/trust`,
    versions: `${root}/versions`,
    current: `${root}/current`,
    plugins: `${root}/plugins`,
    state: home === undefined ? '/var/lib/vm-agent' : `${root}/state`,
    log: home === undefined ? '/var/log/vm-agent' : `${root}/log`,
    run: home === undefined ? '/run/vm-agent' : `${root}/run`,
    execState: home === undefined ? '/var/lib/vm-agent-exec' : `${root}/exec-state`,
  };
}

/** How far a new identity is that shall replace the present one: being made, or complete and taking its place. */
export type Replacement = 'made' | 'granted';

/** Where that new identity is, beside the old one. */
export const replacementFolder = (layout: DiskLayout, stage: Replacement): string =>
  `${layout.root}/identity.${stage === 'made' ? 'new' : 'granted'}`;

export const replacementLayout = (layout: DiskLayout, stage: Replacement): DiskLayout => {
  const folder = replacementFolder(layout, stage);
  return { ...layout, security: `${folder}/security`, trust: `${folder}/trust` };
};

export const SERVICE_USER = 'vm-agent';
/** Whose rights tools have that nobody signed for: callers with the API key, and a hijacked daemon. */
export const RUN_USER = 'vm-agent-run';
export const SERVICE_UNIT = 'vm-agent.service';
/** Starts an executor for each connection of the daemon. */
export const EXEC_SOCKET_UNIT = 'vm-agent-exec.socket';
/** Made by user-data: enrolls the machine at its first boot. */
export const ENROLL_UNIT = 'vm-agent-enroll.service';
/** Root's folder with what that needs; it stays, without secrets, to say how it went. */
export const ENROLL_FOLDER = '/var/lib/vm-agent-enroll';
export const EXEC_SERVICE_UNIT = 'vm-agent-exec@.service';
/** Each command is a transient unit of this name and its id, in a slice of their own. */
export const COMMAND_UNIT_PREFIX = 'vm-agent-cmd-';
/** A process that runs tools which start no program, for one user. */
export const TOOLS_UNIT_PREFIX = 'vm-agent-tools-';
export const COMMAND_SLICE = 'vmagent.slice';
export const UNIT_DIR = '/etc/systemd/system';
/** Exists while an upgrade is under way: the version before, which watches the new one and goes back when it must. */
export const ROLLBACK_UNIT = 'vm-agent-rollback.service';

/** Who owns an entry when the installation is the system's. In user mode everything is the user's. */
export type Owner = 'root' | 'service';

export interface DiskEntry {
  path: string;
  mode: number;
  owner: Owner;
  /** Group of the entry; the owner's own when it says nothing. */
  group?: Owner;
}

/** Directories, parents first. Only `security/` and the state are the daemon's: who owns a directory can replace any file in it. */
export function directories(layout: DiskLayout): DiskEntry[] {
  return [
    { path: layout.root, mode: 0o755, owner: 'root' },
    { path: layout.security, mode: 0o700, owner: 'service' },
    { path: layout.config, mode: 0o755, owner: 'root' },
    { path: layout.trust, mode: 0o755, owner: 'root' },
    { path: layout.versions, mode: 0o755, owner: 'root' },
    { path: layout.plugins, mode: 0o755, owner: 'root' },
    { path: layout.state, mode: 0o700, owner: 'service' },
    { path: layout.log, mode: 0o750, owner: 'service' },
    { path: layout.run, mode: 0o755, owner: 'root' },
  ];
}

/** The eight files of `security/`. */
export const SECURITY_FILES = {
  vmId: 'vm_id',
  apiKey: 'api_key',
  key: 'vm_agent.key',
  csr: 'vm_agent.csr',
  certificate: 'vm_agent.crt',
  ca: 'ca.crt',
  agentId: 'agent_id',
  websocketUrl: 'websocket_url',
} as const;
export type SecurityFile = keyof typeof SECURITY_FILES;

const SECRET: ReadonlySet<SecurityFile> = new Set(['apiKey', 'key']);

export function securityEntry(layout: DiskLayout, file: SecurityFile): DiskEntry {
  return {
    path: `${layout.security}/${SECURITY_FILES[file]}`,
    mode: SECRET.has(file) ? 0o600 : 0o644,
    owner: 'service',
  };
}

/**
 * The pair that a renewal makes, beside the one in use until an orchestrator has taken it. The two halves take their
 * places one after the other; which key belongs to which certificate tells a reader what is the pair meanwhile.
 */
export const nextPairEntries = (layout: DiskLayout) => {
  const beside = (file: 'key' | 'csr' | 'certificate'): DiskEntry => {
    const entry = securityEntry(layout, file);
    return { ...entry, path: `${entry.path}.next` };
  };
  return { key: beside('key'), csr: beside('csr'), certificate: beside('certificate') };
};

export const configFile = (layout: DiskLayout): DiskEntry => ({
  path: `${layout.config}/agent_config.yaml`,
  mode: 0o640,
  owner: 'root',
  group: 'service',
});

/** What the VM's owner allows to whom. The daemon can read it and not change it. */
export const policyFile = (layout: DiskLayout): DiskEntry => ({
  path: `${layout.config}/policy.yaml`,
  mode: 0o644,
  owner: 'root',
});

/** Root-owned anchors of trust. */
export const trustEntries = (layout: DiskLayout) =>
  ({
    caPins: { path: `${layout.trust}/ca_pins.json`, mode: 0o644, owner: 'root' },
    commandKeys: { path: `${layout.trust}/command_keys.json`, mode: 0o644, owner: 'root' },
    releaseKeys: { path: `${layout.trust}/release_keys.json`, mode: 0o644, owner: 'root' },
    /** Signs results and heads of the audit chain; the orchestrator knows its public half. */
    executorKey: { path: `${layout.trust}/executor.key`, mode: 0o600, owner: 'root' },
    enrolment: { path: `${layout.trust}/enrolment.json`, mode: 0o644, owner: 'root' },
    /** The platform's instance on which the key was made, where cloud-init tells it: another one has a copy. */
    instance: { path: `${layout.trust}/instance_id`, mode: 0o644, owner: 'root' },
  }) as const satisfies Record<string, DiskEntry>;

/** How far the last upgrade came, and the newest release that was installed. */
export const upgradeRecordFile = (layout: DiskLayout): string => `${layout.versions}/upgrade.json`;
export const installedReleaseFile = (layout: DiskLayout): string => `${layout.versions}/release.json`;

export const journalFile = (layout: DiskLayout): string => `${layout.state}/journal.db`;
/** The checkpoint that is kept of the orchestrator's audit log, where no executor keeps it. */
export const witnessFile = (layout: DiskLayout): string => `${layout.state}/audit_witness.json`;
export const spoolDir = (layout: DiskLayout): string => `${layout.state}/output`;
/** Output of commands in the background; nothing in it outlives the daemon. */
export const backgroundDir = (layout: DiskLayout): string => `${layout.state}/background`;
/** Scripts and pipes of commands that run; root's alone. */
export const executorRunDir = (layout: DiskLayout): string =>
  layout.home === undefined ? '/run/vm-agent-exec' : `${layout.run}/exec`;
export const execSocket = (layout: DiskLayout): string => `${layout.run}/exec.sock`;
/** The same for root, who has other rights there. */
export const adminSocket = (layout: DiskLayout): string => `${layout.run}/admin.sock`;
export const agentLogFile = (layout: DiskLayout): string => `${layout.log}/agent.log`;
