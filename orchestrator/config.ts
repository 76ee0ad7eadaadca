import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { envOverrides, loadConfig } from '../base/config-file.ts';
import { DEFAULT_LIFETIMES, type Lifetimes } from '../protocol/certificate-profile.ts';
import { AppError } from '../protocol/errors.ts';
import type { TokenRate } from '../protocol/provisioning-token.ts';
import { type AuditConfig, type AuditFlags, auditConfig } from './audit-config.ts';
import { invalid, lifetimeS, readNamed, retentionMs, secretOf } from './config-input.ts';
import { type OidcConfig, oidcConfigSchema } from './oidc-config.ts';

/** What `serve` runs with: flags and environment, checked, typed and frozen. */
export interface ServeConfig {
  dataDir: string;
  listen: { host: string; port: number };
  /** As it was given; made from the address that is listened on when undefined. */
  publicUrl: string | undefined;
  trustDomain: string | undefined;
  /** PEM of the certificate that browsers see. */
  publicCertificate: { cert: string; key: string } | undefined;
  admin: AdminEnvironment;
  sessions: { idle_s: number; lifetime_s: number };
  rates: {
    /** Requests of one user or API token; undefined: as many as he likes. */
    requests: TokenRate | undefined;
    /** Wrong credentials from one address. */
    failures: TokenRate;
  };
  /** Undefined: people sign in by passwords alone. */
  oidc: OidcConfig | undefined;
  audit: AuditConfig;
  /** How long ended jobs and their output are kept (ms); undefined: for ever. */
  keepJobsMs: number | undefined;
  /** Of the certificates that it makes. */
  lifetimes: Lifetimes;
}

export interface AdminEnvironment {
  password: string | undefined;
  apiToken: string | undefined;
  /** The token is from the variable itself, which client commands use too, and from no file. */
  apiTokenIsClients?: boolean;
}

/** Flags of `serve` as the command line gives them. */
export interface ServeFlags extends AuditFlags {
  data: string;
  listen: string;
  publicUrl?: string | undefined;
  store: string;
  bus: string;
  tlsCert?: string | undefined;
  tlsKey?: string | undefined;
  trustDomain?: string | undefined;
  agentListen?: string | undefined;
  proxyProtocolFrom?: string | undefined;
  sessionIdle?: number | undefined;
  sessionLifetime?: number | undefined;
  rateLimit?: TokenRate | 'off' | undefined;
  failureLimit?: TokenRate | undefined;
  oidcConfig?: string | undefined;
  oidcIssuer?: string | undefined;
  oidcClientId?: string | undefined;
  oidcClientSecretFile?: string | undefined;
  jobRetention?: string | undefined;
  agentCertificateTtl?: string | undefined;
}

const JOB_RETENTION = '30d';
const SESSIONS = { idle_s: 2 * 3600, lifetime_s: 12 * 3600 } as const;
const REQUESTS: TokenRate = { uses: 3000, window_s: 60 };
const FAILURES: TokenRate = { uses: 30, window_s: 60 };

/** `HOST:PORT`, `[v6]:PORT`, `:PORT` or `PORT`. Port 0 lets the system choose. @throws AppError `config_invalid` */
export function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw invalid(
      `--listen ${JSON.stringify(text)} is not HOST:PORT.`,
      'Write e.g. 0.0.0.0:8443, [::]:8443 or 127.0.0.1:0.',
    );
  }
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
}

/** Refuses by name what this version does not do. */
function refuseUnbuilt(flags: ServeFlags): void {
  const unsupported = (detail: string, hint: string) => new AppError('unsupported', { detail, hint });
  if (flags.store !== 'sqlite') {
    throw unsupported(
      `--store ${flags.store.split('://')[0]}: this version stores in SQLite alone.`,
      'Leave --store out.',
    );
  }
  if (flags.bus !== 'memory') {
    throw unsupported(
      `--bus ${flags.bus.split('://')[0]}: this version has the in-process bus alone.`,
      'Leave --bus out.',
    );
  }
  if (flags.agentListen !== undefined) {
    throw unsupported(
      '--agent-listen: this version serves agents and people on one port.',
      'Leave --agent-listen out.',
    );
  }
  if (flags.proxyProtocolFrom !== undefined) {
    throw unsupported(
      '--proxy-protocol-from: this version does not read the PROXY protocol.',
      'Leave it out; balance TCP without it, and addresses in the audit log are the balancer’s.',
    );
  }
}

async function publicCertificate(flags: ServeFlags): Promise<ServeConfig['publicCertificate']> {
  const { tlsCert, tlsKey } = flags;
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw invalid(
      '--tls-cert and --tls-key belong together.',
      'Give both, or none to use the orchestrator’s own certificate.',
    );
  }
  return { cert: await readNamed(tlsCert, '--tls-cert'), key: await readNamed(tlsKey, '--tls-key') };
}

/** `NAME`, or the first line of the file that `NAME_FILE` names. */
/** @throws AppError `config_invalid` */
export async function adminEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Promise<AdminEnvironment> {
  const password = await secretOf(env, 'VM_ORCHESTRATOR_ADMIN_PASSWORD');
  const apiToken = await secretOf(env, 'VM_ORCHESTRATOR_API_TOKEN');
  if (apiToken !== undefined && !/^vmo_[\x21-\x7e]{1,512}$/.test(apiToken)) {
    throw invalid(
      'VM_ORCHESTRATOR_API_TOKEN must begin with vmo_ and hold no spaces.',
      'Make one: vmo_$(openssl rand -hex 20)',
    );
  }
  return { password, apiToken };
}

/** As `adminEnvironment`, for who wants other credentials than before. @throws AppError `config_invalid` */
export async function resetEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Promise<AdminEnvironment> {
  const { VM_ORCHESTRATOR_API_TOKEN: clients, ...chosen } = env;
  if (clients === undefined || env['VM_ORCHESTRATOR_API_TOKEN_FILE'] !== undefined)
    return adminEnvironment(chosen);
  return { ...(await adminEnvironment(env)), apiTokenIsClients: true };
}

/**
 * File, then `VM_ORCHESTRATOR_OIDC__<KEY>`, then flags. The secret comes from a file, or from the environment, never
 * from the command line.
 * @throws AppError `config_invalid`
 */
async function oidcOf(
  flags: ServeFlags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<OidcConfig | undefined> {
  const given = Object.fromEntries(
    Object.entries({
      issuer: flags.oidcIssuer,
      client_id: flags.oidcClientId,
      client_secret_file: flags.oidcClientSecretFile,
    }).filter(([, value]) => value !== undefined),
  );
  // `VM_ORCHESTRATOR_` is cut off, so that the section remains as the only key.
  const { oidc: fromEnv } = envOverrides(env, 'VM_ORCHESTRATOR_') as { oidc?: Record<string, unknown> };
  const file = flags.oidcConfig ?? env['VM_ORCHESTRATOR_OIDC_CONFIG'];
  if (file === undefined && fromEnv === undefined && Object.keys(given).length === 0) return undefined;
  const { client_secret_file, ...rest } = loadConfig({
    schema: oidcConfigSchema,
    source: file === undefined ? 'the configuration of OpenID Connect' : `--oidc-config ${file}`,
    file: file === undefined ? undefined : await readNamed(file, '--oidc-config'),
    env: fromEnv ?? {},
    flags: given,
  });
  const clientSecret =
    client_secret_file === undefined
      ? await secretOf(env, 'VM_ORCHESTRATOR_OIDC_CLIENT_SECRET')
      : (await readNamed(client_secret_file, 'client_secret_file')).split('\n', 1)[0]?.trim();
  if (clientSecret === '')
    throw invalid(`client_secret_file: ${client_secret_file} is empty.`, 'Put the secret on its first line.');
  return { ...rest, clientSecret };
}

export async function loadServeConfig(
  flags: ServeFlags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ServeConfig> {
  refuseUnbuilt(flags);
  if (
    flags.trustDomain !== undefined &&
    !/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(flags.trustDomain)
  ) {
    throw invalid(
      `--trust-domain ${JSON.stringify(flags.trustDomain)} is no domain name in lower case.`,
      'Write e.g. vms.example.org.',
    );
  }
  return Object.freeze({
    dataDir: flags.data,
    listen: parseListen(flags.listen),
    publicUrl: flags.publicUrl,
    trustDomain: flags.trustDomain,
    publicCertificate: await publicCertificate(flags),
    admin: await adminEnvironment(env),
    sessions: {
      idle_s: flags.sessionIdle ?? SESSIONS.idle_s,
      lifetime_s: flags.sessionLifetime ?? SESSIONS.lifetime_s,
    },
    rates: {
      requests: flags.rateLimit === 'off' ? undefined : (flags.rateLimit ?? REQUESTS),
      failures: flags.failureLimit ?? FAILURES,
    },
    oidc: await oidcOf(flags, env),
    audit: await auditConfig(flags, env),
    keepJobsMs: retentionMs(
      flags.jobRetention ?? (env['VM_ORCHESTRATOR_JOB_RETENTION'] || JOB_RETENTION),
      '--job-retention',
    ),
    lifetimes: {
      ...DEFAULT_LIFETIMES,
      agent: lifetimeS(
        flags.agentCertificateTtl ?? (env['VM_ORCHESTRATOR_AGENT_CERTIFICATE_TTL'] || undefined),
        '--agent-certificate-ttl',
      ),
    },
  });
}

/** The host of a URL that reaches a listener: itself, or an address of this machine when it listens on all. */
export function reachableHost(host: string, interfaces = networkInterfaces()): string {
  if (host !== '0.0.0.0' && host !== '::') return isIP(host) === 6 ? `[${host}]` : host;
  const addresses = Object.values(interfaces).flatMap((list) => list ?? []);
  const outside = addresses.find(({ internal, family }) => !internal && family === 'IPv4');
  return outside?.address ?? 'localhost';
}
