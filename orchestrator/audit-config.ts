import { invalid, readNamed, retentionMs, secretOf } from './config-input.ts';

/** Where copies of the audit log go, and how long it is kept. */
export interface AuditConfig {
  syslog: { transport: 'udp' | 'tcp' | 'tls'; host: string; port: number; ca?: string } | undefined;
  webhook: { url: URL; secret: string } | undefined;
  /** Undefined: for ever. */
  keepMs: number | undefined;
}

/** Flags of `serve`, as the command line gives them. */
export interface AuditFlags {
  auditSyslog?: string | undefined;
  auditSyslogCa?: string | undefined;
  auditWebhook?: string | undefined;
  auditRetention?: string | undefined;
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

/** Only whoever starts the server says where copies go: no route changes it. */
export async function auditConfig(
  flags: AuditFlags,
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
    keepMs: retentionMs(
      of(flags.auditRetention, 'VM_ORCHESTRATOR_AUDIT_RETENTION') ?? 'forever',
      '--audit-retention',
    ),
  };
}
