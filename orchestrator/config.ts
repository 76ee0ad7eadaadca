import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { AppError } from '../protocol/errors.ts';
import { parseDuration } from '../protocol/provisioning-token.ts';

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
  audit: AuditConfig;
}

/** Where copies of the audit log go, and how long it is kept. */
export interface AuditConfig {
  syslog: { transport: 'udp' | 'tcp' | 'tls'; host: string; port: number; ca?: string } | undefined;
  webhook: { url: URL; secret: string } | undefined;
  /** Undefined: for ever. */
  keepMs: number | undefined;
}

export interface AdminEnvironment {
  password: string | undefined;
  apiToken: string | undefined;
}

/** Flags of `serve` as the command line gives them. */
export interface ServeFlags {
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
  auditSyslog?: string | undefined;
  auditSyslogCa?: string | undefined;
  auditWebhook?: string | undefined;
  auditRetention?: string | undefined;
}

const invalid = (detail: string, hint: string): AppError => new AppError('config_invalid', { detail, hint });

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

async function readNamed(path: string, flag: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new AppError('config_invalid', {
      detail: `${flag}: ${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'}).`,
      cause,
    });
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
async function secretOf(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
): Promise<string | undefined> {
  const file = env[`${name}_FILE`];
  const text =
    env[name] ?? (file ? (await readNamed(file, `${name}_FILE`)).split('\n', 1)[0]?.trim() : undefined);
  return text === '' ? undefined : text;
}

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

const SYSLOG_PORTS = { udp: 514, tcp: 514, tls: 6514 } as const;
const isLoopback = (host: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?)$/.test(host);

async function syslogTarget(
  text: string | undefined,
  caFile: string | undefined,
): Promise<AuditConfig['syslog']> {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const transport = /^syslog\+(udp|tcp|tls):$/.exec(url?.protocol ?? '')?.[1] as
    | keyof typeof SYSLOG_PORTS
    | undefined;
  if (url === undefined || transport === undefined || url.hostname === '')
    throw invalid(
      `--audit-syslog ${JSON.stringify(text)} is no syslog receiver.`,
      'Write syslog+tls://HOST[:6514], syslog+tcp://HOST[:514] or syslog+udp://HOST[:514].',
    );
  if (caFile !== undefined && transport !== 'tls')
    throw invalid('--audit-syslog-ca belongs to a receiver over TLS.', 'Use syslog+tls://, or leave it out.');
  return {
    transport,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? SYSLOG_PORTS[transport] : Number(url.port),
    ...(caFile === undefined ? {} : { ca: await readNamed(caFile, '--audit-syslog-ca') }),
  };
}

const MIN_SECRET = 16;

function webhookTarget(text: string | undefined, secret: string | undefined): AuditConfig['webhook'] {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url?.protocol === 'http:' && isLoopback(url.hostname);
  if (url === undefined || !(url.protocol === 'https:' || plain) || url.username !== '')
    throw invalid(
      `--audit-webhook must be an https:// address without credentials, or http:// on this machine’s loopback.`,
      'Write e.g. https://siem.example.org/hooks/vm-agent.',
    );
  if (secret === undefined || secret.length < MIN_SECRET)
    throw invalid(
      `--audit-webhook needs a secret of at least ${MIN_SECRET} characters, by which the receiver knows us.`,
      'Set VM_ORCHESTRATOR_AUDIT_WEBHOOK_SECRET, or VM_ORCHESTRATOR_AUDIT_WEBHOOK_SECRET_FILE: openssl rand -base64 32.',
    );
  return { url, secret };
}

function keepMs(text: string | undefined): number | undefined {
  if (text === undefined || text === 'forever') return undefined;
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds < 86_400)
    throw invalid(
      `--audit-retention ${JSON.stringify(text)} is no time of a day or more.`,
      'Write e.g. 90d, 365d, or forever.',
    );
  return seconds * 1000;
}

/** Only whoever starts the server says where copies go: no route changes it. */
async function auditConfig(
  flags: ServeFlags,
  env: Readonly<Record<string, string | undefined>>,
): Promise<AuditConfig> {
  const of = (flag: string | undefined, name: string) => flag ?? (env[name] || undefined);
  return {
    syslog: await syslogTarget(
      of(flags.auditSyslog, 'VM_ORCHESTRATOR_AUDIT_SYSLOG'),
      of(flags.auditSyslogCa, 'VM_ORCHESTRATOR_AUDIT_SYSLOG_CA'),
    ),
    webhook: webhookTarget(
      of(flags.auditWebhook, 'VM_ORCHESTRATOR_AUDIT_WEBHOOK'),
      await secretOf(env, 'VM_ORCHESTRATOR_AUDIT_WEBHOOK_SECRET'),
    ),
    keepMs: keepMs(of(flags.auditRetention, 'VM_ORCHESTRATOR_AUDIT_RETENTION')),
  };
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
    audit: await auditConfig(flags, env),
  });
}

/** The host of a URL that reaches a listener: itself, or an address of this machine when it listens on all. */
export function reachableHost(host: string, interfaces = networkInterfaces()): string {
  if (host !== '0.0.0.0' && host !== '::') return isIP(host) === 6 ? `[${host}]` : host;
  const addresses = Object.values(interfaces).flatMap((list) => list ?? []);
  const outside = addresses.find(({ internal, family }) => !internal && family === 'IPv4');
  return outside?.address ?? 'localhost';
}
