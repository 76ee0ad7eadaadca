import { type Command, InvalidArgumentError } from 'commander';
import type { Finding } from './checks/check.ts';
import type { Way } from './checks/way.ts';
import { type CliContext, EXIT, layoutFor, withHome } from './context.ts';

interface Flags {
  home?: string;
  serverUrl?: string;
  caFile?: string;
  tokenStdin?: boolean;
  tokenFile?: string;
  json?: boolean;
}

const httpsUrl = (text: string): string => {
  if (!URL.canParse(text) || new URL(text).protocol !== 'https:')
    throw new InvalidArgumentError('It must look like https://HOST:PORT.');
  return text;
};

export function addTestConnection(program: Command, ctx: CliContext): void {
  withHome(program.command('test-connection'))
    .description('try the way to the orchestrator, part by part; sends no secret')
    .option(
      '--server-url <url>',
      'the orchestrator (default: the one that this machine is enrolled with)',
      httpsUrl,
    )
    .option('--ca-file <file>', 'the orchestrator’s CA certificate')
    .option('--token-stdin', 'take the CA’s pin from a provisioning token on stdin')
    .option('--token-file <file>', 'take it from a provisioning token in a file')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExit codes: 0 all that was tried works, 1 something does not.\n')
    .action(async (flags: Flags) => {
      ctx.process.exitCode = await testConnection(flags, ctx);
    });
}

async function testConnection(flags: Flags, ctx: CliContext): Promise<number> {
  const { runChecks } = await import('./checks/check.ts');
  const { writeLine } = await import('./checks/report.ts');
  const { createProbes } = await import('./checks/way.ts');
  const { WAY_CHECKS } = await import('./checks/way-checks.ts');
  const { loadAgentConfig } = await import('../agent/config.ts');
  const { proxyFromEnv } = await import('../agent/identity/proxy.ts');
  const { readCredentials } = await import('../agent/identity/credentials.ts');
  const { paintFor } = await import('../provision/progress.ts');
  const { readAll } = await import('../provision/run-installer.ts');
  const { readToken } = await import('../provision/token.ts');
  const { AppError } = await import('../protocol/errors.ts');
  const { systemClock } = await import('../base/clock.ts');
  const { stdout, stdin, env } = ctx.process;

  const layout = layoutFor(flags.home, ctx);
  const enrolled = await readCredentials(layout).catch(() => undefined);
  const configured = await loadAgentConfig({ layout, env }).catch(() => undefined);
  const address = flags.serverUrl ?? (env['ORCHESTRATOR_URL'] || configured?.orchestrator.url);
  if (address === undefined) {
    throw new AppError('bad_request', {
      detail: 'This machine is not enrolled, or you may not read its configuration.',
      hint: 'Give the orchestrator by --server-url https://HOST:PORT, or run this with sudo.',
    });
  }
  const token = await readToken(
    { file: flags.tokenFile, stdin: flags.tokenStdin === true, env: env['PROVISIONING_TOKEN'] },
    () => readAll(stdin),
  );
  const server = new URL(address);
  // The credentials are of one orchestrator: another one is tried without them.
  const own = configured?.orchestrator.url === address ? enrolled : undefined;
  const proxy = async () => proxyFromEnv(env) ?? configured?.orchestrator.proxy;
  const way: Way = {
    ...createProbes(systemClock, proxy),
    proxy,
    server: async () => server,
    addressIs: '--server-url',
    clock: systemClock,
    env,
    own: async () => own,
    trusted: async () => own && { pins: own.trust.caPins.roots, roots: own.roots },
    pin: token?.caPin,
    caFile: flags.caFile,
  };
  const lines: Finding[] = [];
  const paint = paintFor(stdout, env);
  for await (const finding of runChecks(WAY_CHECKS, way)) {
    lines.push(finding);
    if (!flags.json) writeLine(stdout, paint, 13, { ...finding, name: finding.title });
  }
  const failed = lines.some(({ result }) => result === 'fail');
  const checks = lines.map(({ id, title, result, detail, hint }) => ({
    id,
    name: title,
    // The word that this command's JSON has had from the first.
    result: result === 'skipped' ? 'skip' : result,
    detail,
    hint,
  }));
  if (flags.json) stdout.write(`${JSON.stringify({ server: address, ok: !failed, checks }, null, 2)}\n`);
  return failed ? EXIT.failed : EXIT.ok;
}
