import { Option } from 'commander';
import type { Clock } from '../../base/clock.ts';
import type { Shutdown } from '../../base/shutdown.ts';
import type { AuditReport } from '../../protocol/audit-log.ts';
import type { BackupManifest } from '../../protocol/backup.ts';
import type { TokenRate } from '../../protocol/provisioning-token.ts';
import type { Bootstrap } from '../../protocol/rest-fleet.ts';

export type Output = Pick<NodeJS.WriteStream, 'write'> & { isTTY?: boolean; fd?: number };
type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Flags of what works on the data without serving it. */
export interface DataFlags {
  data: string;
  logLevel: LogLevel;
}

/** What the command line hands to the server; the names are those of the flags. */
export interface ServeFlags {
  data: string;
  listen: string;
  publicUrl?: string;
  store: string;
  bus: string;
  tlsCert?: string;
  tlsKey?: string;
  trustDomain?: string;
  agentListen?: string;
  proxyProtocolFrom?: string;
  sessionIdle?: number;
  sessionLifetime?: number;
  rateLimit?: TokenRate | 'off';
  failureLimit?: TokenRate;
  oidcConfig?: string;
  oidcIssuer?: string;
  oidcClientId?: string;
  oidcClientSecretFile?: string;
  auditSyslog?: string;
  auditSyslogCa?: string;
  auditWebhook?: string;
  auditRetention?: string;
  jobRetention?: string;
  agentCertificateTtl?: string;
  logLevel: LogLevel;
}

/** Credentials, and sentences about where they came from. */
export interface AdminAnswer {
  credentials: Bootstrap;
  notes: readonly string[];
}

export type ShowProgress = (phase: 'store' | 'files' | 'verify', done: number, total: number) => void;

export interface BackupReport {
  file: string;
  bytes: number;
  manifest: Omit<BackupManifest, 'files'> & { files: number };
  /** A key was tried, and opens the CA in it. */
  opens?: true;
}

export interface RestoreReport {
  data: string;
  moved_aside: string | null;
  restore_id: string;
  backup_at: string;
  organizations: {
    organization: string;
    epoch: number;
    commands_held: number;
    rollouts_paused: number;
    tokens_revoked: number;
    occurrences_skipped: number;
  }[];
  sessions_ended: number;
}

export interface BackupActions {
  backup(flags: {
    data: string;
    to: string;
    withMasterKey: boolean;
    passphraseFile: string | undefined;
    progress: ShowProgress;
  }): Promise<BackupReport>;
  /** With a key, or what opens the sealed one: also whether the CA in it opens. */
  verifyBackup(flags: {
    file: string;
    masterKeyFile: string | undefined;
    passphraseFile: string | undefined;
    progress: ShowProgress;
  }): Promise<BackupReport>;
  restore(flags: {
    data: string;
    from: string;
    masterKeyFile: string | undefined;
    passphraseFile: string | undefined;
    force: boolean;
    admitKnown: boolean;
    progress: ShowProgress;
  }): Promise<RestoreReport>;
  /** The data was put back by other means. */
  declareRestored(flags: { data: string; admitKnown: boolean }): Promise<RestoreReport>;
}

/** What needs the store and the CA on this machine; the other subcommands speak REST. */
export interface ServerActions {
  /** Resolves when the server has stopped, with the exit code. */
  serve(flags: ServeFlags): Promise<number>;
  bootstrap(flags: DataFlags): Promise<AdminAnswer>;
  adminReset(flags: DataFlags): Promise<AdminAnswer>;
  verifyAudit(flags: AuditSource): Promise<AuditReport>;
  backups(): Promise<BackupActions>;
  backupKey(flags: BackupKeyFlags): Promise<{ fingerprint: string }>;
}

/** What becomes of the backup root's key. */
export interface BackupKeyFlags extends DataFlags {
  action: 'export' | 'import';
  file: string;
  passphraseFile?: string;
  /** The store keeps it as well. */
  keep?: true;
}

/** A log that is verified here, without asking a running orchestrator. */
export type AuditSource = {
  /** Checkpoints that were kept elsewhere. */
  checkpoints: readonly { who: string; note: string }[];
} & (
  | {
      data: string;
      /** Undefined: the orchestrator's own log. */
      organization: string | undefined;
    }
  | { file: string; key: string | undefined }
);

/** Everything that a subcommand may touch of the process that it runs in. */
export interface CliDeps {
  version: string;
  env: EnvironmentVariables;
  stdout: Output;
  stderr: Output;
  clock: Clock;
  /** Asks whoever sits at the terminal; absent when nobody does. */
  confirm?: (question: string) => Promise<boolean>;
  /** The first line of stdin, for what must not be in an argument. */
  readLine?: () => Promise<string>;
  /** Takes over SIGINT and SIGTERM from the call on; the first asks to stop, the second insists. */
  shutdown(): Shutdown;
  /** The exit code, when it is not 0 although nothing failed here. */
  exitWith(code: number): void;
  server: ServerActions;
}

/** Where `serve` keeps its data when nothing else is said. */
export const DEFAULT_DATA = './vm-orchestrator-data';

export const logLevelOption = (level: LogLevel): Option =>
  new Option('--log-level <level>', 'least level of the log on stderr')
    .choices(['debug', 'info', 'warn', 'error'])
    .default(level);
