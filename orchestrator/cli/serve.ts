import { type Command, Option } from 'commander';
import { durationArgument, rateArgument } from './arguments.ts';
import { type CliDeps, DEFAULT_DATA, logLevelOption, type ServeFlags } from './deps.ts';

/** `vm-orchestrator serve`: the server itself. */
export function register(program: Command, deps: CliDeps): void {
  program
    .command('serve')
    .description('start the orchestrator; prints one JSON line when it listens')
    .option('--data <dir>', 'where the store and the keys are', DEFAULT_DATA)
    .option('--listen <host:port>', 'address to listen on', '0.0.0.0:8443')
    .option('--public-url <url>', 'https://HOST[:PORT] under which machines and people reach it')
    .option('--store <store>', 'where it remembers: sqlite', 'sqlite')
    .option('--bus <bus>', 'how replicas talk: memory', 'memory')
    .option(
      '--tls-cert <file>',
      'certificate (PEM, with its chain) that browsers see; agents keep the private one',
    )
    .option('--tls-key <file>', 'its private key (PEM)')
    .option('--trust-domain <name>', 'name in every certificate; fixed by the first start')
    .option(
      '--agent-certificate-ttl <time>',
      'how long agents’ certificates live, 5s to 30d; agents renew them at half of it (default: 30d)',
    )
    .option(
      '--session-idle <time>',
      'a dashboard session ends after so long without a request (default: 2h)',
      durationArgument('--session-idle', { least: '1m', most: '7d' }),
    )
    .option(
      '--session-lifetime <time>',
      'and after so long in any case (default: 12h)',
      durationArgument('--session-lifetime', { least: '1m', most: '30d' }),
    )
    .option(
      '--rate-limit <n/time>',
      'requests of one user or API token; off: no limit (default: 3000/1m)',
      (text) => (text === 'off' ? 'off' : rateArgument(text)),
    )
    .option('--failure-limit <n/time>', 'wrong credentials from one address (default: 30/1m)', rateArgument)
    .option('--oidc-config <file>', 'sign people in by an OpenID Connect provider (YAML; docs/operations.md)')
    .option('--oidc-issuer <url>', 'the same, without a file: address of the provider')
    .option('--oidc-client-id <id>', 'what the provider knows this orchestrator as')
    .option('--oidc-client-secret-file <file>', 'and the secret for it')
    .option('--audit-syslog <url>', 'copies of the audit log: syslog+tls://, +tcp:// or +udp://HOST[:PORT]')
    .option('--audit-syslog-ca <file>', 'CA of that receiver (PEM), when the system does not trust it')
    .option('--audit-webhook <url>', 'copies of the audit log by signed POST to https://…')
    .option('--audit-retention <time>', 'how long audit events are kept, e.g. 365d (default: forever)')
    .option(
      '--job-retention <time>',
      'how long ended jobs and their output are kept, or forever (default: 30d)',
    )
    // Known by name, so that they are refused by name.
    .addOption(new Option('--agent-listen <host:port>').hideHelp())
    .addOption(new Option('--proxy-protocol-from <cidr>').hideHelp())
    .addOption(logLevelOption('info'))
    .addHelpText(
      'after',
      `
Environment:
  VM_ORCHESTRATOR_ADMIN_PASSWORD[_FILE]  password of the user admin
  VM_ORCHESTRATOR_API_TOKEN[_FILE]       API token of the admin, vmo_…
  VM_ORCHESTRATOR_OIDC_CONFIG            as --oidc-config
  VM_ORCHESTRATOR_OIDC__<KEY>            one key of it, such as VM_ORCHESTRATOR_OIDC__ISSUER
  VM_ORCHESTRATOR_OIDC_CLIENT_SECRET[_FILE]  its client secret
  VM_ORCHESTRATOR_AUDIT_WEBHOOK_SECRET[_FILE]
                                         signs what --audit-webhook sends
  VM_ORCHESTRATOR_AUDIT_SYSLOG, …_AUDIT_SYSLOG_CA, …_AUDIT_WEBHOOK, …_AUDIT_RETENTION
                                         instead of the options of these names
  VM_ORCHESTRATOR_JOB_RETENTION          as --job-retention
  VM_ORCHESTRATOR_AGENT_CERTIFICATE_TTL  as --agent-certificate-ttl

Ctrl-C or SIGTERM stops it when running requests have ended; a second one at once.

Exit codes: 0 stopped; 1 could not start (the folder, the address, or another one
serves this folder), or failed while running; 2 wrong options.`,
    )
    .action(async (flags: ServeFlags) => deps.exitWith(await deps.server.serve(flags)));
}
