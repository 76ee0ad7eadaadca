import type { Command } from 'commander';
import { type CliContext, EXIT, layoutFor, withHome } from './context.ts';

interface Flags {
  home?: string;
  url?: string;
  caFile?: string;
  certFile?: string;
  keyFile?: string;
}

const HELP = `
For AI clients that start a program and speak with it over its stdin and stdout. It hands every message to the agent on
this machine, with the API key from security/api_key (which root and the agent's user may read) or from
VM_AGENT_API_KEY. With --url it hands them to an agent elsewhere; such agents usually want a client certificate as well.
docs/mcp.md shows what to write into the clients' configuration.
`;

export function addMcp(program: Command, ctx: CliContext): void {
  withHome(program.command('mcp'))
    .description('speak MCP over stdin and stdout, for AI clients that start programs')
    .option('--url <url>', 'the agent’s /mcp (default: the agent on this machine)')
    .option('--ca-file <file>', 'PEM of the CA that the agent’s certificate comes from')
    .option('--cert-file <file>', 'PEM of a client certificate, with --key-file')
    .option('--key-file <file>', 'PEM of its private key')
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      ctx.process.exitCode = await bridge(flags, ctx);
    });
}

async function bridge(flags: Flags, ctx: CliContext): Promise<number> {
  const { McpBridge } = await import('./mcp-bridge.ts');
  const { stdin, stdout, stderr, env } = ctx.process;
  const url = await target(flags, ctx);
  if (url === undefined) {
    stderr.write(`vm-agent: --url must be an address like https://vm.example:8080/mcp.\n`);
    return EXIT.usage;
  }
  const local = flags.url === undefined;
  const key = env['VM_AGENT_API_KEY'] || (local ? await ownKey(flags, ctx) : undefined);
  if (key === undefined && flags.certFile === undefined) {
    const file = `${layoutFor(flags.home, ctx).security}/api_key`;
    stderr.write(
      local
        ? `vm-agent: the API key cannot be read from ${file}.\nRun this as root or as the agent's user, or hand the key over in VM_AGENT_API_KEY.\n`
        : 'vm-agent: there is no API key for it. Hand it over in VM_AGENT_API_KEY, or name a client certificate.\n',
    );
    return EXIT.failed;
  }
  // A client that went away must not end this with an error of its own.
  stdout.on('error', () => ctx.process.exit(EXIT.ok));
  await new McpBridge({
    input: stdin,
    output: (line) => stdout.write(`${line}\n`),
    url,
    apiKey: key,
    tls: await tlsFiles(flags, ctx, local),
  }).run();
  return EXIT.ok;
}

async function target(flags: Flags, ctx: CliContext): Promise<URL | undefined> {
  if (flags.url !== undefined) {
    const url = URL.canParse(flags.url) ? new URL(flags.url) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) return undefined;
    if (url.pathname === '/') url.pathname = '/mcp';
    return url;
  }
  const { agentPort } = await import('./status.ts');
  const { loadAgentConfig } = await import('../agent/config.ts');
  const port = await agentPort(flags, ctx);
  // Who may not read the configuration finds the usual one.
  const plain = await loadAgentConfig({ layout: layoutFor(flags.home, ctx), env: ctx.process.env }).then(
    ({ server }) => server.ssl.plain_loopback,
    () => true,
  );
  return new URL(`${plain ? 'http' : 'https'}://127.0.0.1:${port}/mcp`);
}

async function ownKey(flags: Flags, ctx: CliContext): Promise<string | undefined> {
  const { readSecurityFile } = await import('../agent/identity/credentials.ts');
  return readSecurityFile(layoutFor(flags.home, ctx), 'apiKey').catch(() => undefined);
}

async function tlsFiles(
  flags: Flags,
  ctx: CliContext,
  local: boolean,
): Promise<{ ca?: string; cert?: string; key?: string }> {
  const { readFile } = await import('node:fs/promises');
  const { readSecurityFile } = await import('../agent/identity/credentials.ts');
  const read = (path: string | undefined) =>
    path === undefined ? Promise.resolve(undefined) : readFile(path, 'utf8');
  const own = () => readSecurityFile(layoutFor(flags.home, ctx), 'ca').catch(() => undefined);
  const ca = (await read(flags.caFile)) ?? (local ? await own() : undefined);
  const cert = await read(flags.certFile);
  const key = await read(flags.keyFile);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
