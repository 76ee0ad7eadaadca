import type { Command } from 'commander';
import type { AgentHealth, AgentInfo } from '../protocol/agent-http.ts';
import { diskLayout } from '../protocol/disk-layout.ts';
import { type CliContext, EXIT, layoutFor, withHome } from './context.ts';

interface Flags {
  home?: string;
  port?: number;
  json?: boolean;
}

export function addStatus(program: Command, ctx: CliContext): void {
  withHome(program.command('status'))
    .description('say how the agent on this machine is')
    .option('--port <n>', 'port of its local interface (default: the configured one)', Number)
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExit codes: 0 healthy, 1 degraded or unhealthy, 3 not running.\n')
    .action(async (flags: Flags) => {
      ctx.process.exitCode = await status(flags, ctx);
    });
}

async function status(flags: Flags, ctx: CliContext): Promise<number> {
  const { askAgent } = await import('../provision/ask-agent.ts');
  const { systemClock } = await import('../base/clock.ts');
  const { agentHealthSchema, agentInfoSchema } = await import('../protocol/agent-http.ts');
  const { stdout } = ctx.process;
  const absent = flags.port === undefined ? await absentFrom(flags, ctx) : undefined;
  if (absent !== undefined) {
    // What answers on the usual port belongs to another folder.
    stdout.write(
      flags.json
        ? `${JSON.stringify({ running: false, port: null })}\n`
        : `not running: there is no agent in ${absent}\nName its folder with --home, or install it: vm-agent install\n`,
    );
    return EXIT.notRunning;
  }
  const port = flags.port ?? (await agentPort(flags, ctx));
  const health = agentHealthSchema.safeParse(await askAgent(port, '/health', systemClock)).data;
  if (health === undefined) {
    const where = `127.0.0.1:${port}`;
    stdout.write(
      flags.json
        ? `${JSON.stringify({ running: false, port })}\n`
        : `not running: nothing of ours answers on ${where}\nStart it: systemctl start vm-agent, or vm-agent server --home DIR\n`,
    );
    return EXIT.notRunning;
  }
  const info = agentInfoSchema.safeParse(await askAgent(port, '/info', systemClock)).data;
  stdout.write(
    flags.json
      ? `${JSON.stringify({ running: true, port, health, info: info ?? null }, null, 2)}\n`
      : describe(health, info, port, systemClock.now()) + (await lastUpgrade(flags, ctx)),
  );
  return health.status === 'healthy' ? EXIT.ok : EXIT.failed;
}

/** The folder that the caller chose, where it holds no agent. */
async function absentFrom(flags: Pick<Flags, 'home'>, ctx: CliContext): Promise<string | undefined> {
  const { exists } = await import('../provision/files.ts');
  const { root, config } = layoutFor(flags.home, ctx);
  return root === diskLayout().root || (await exists(config)) ? undefined : root;
}

/** Where the running agent says that it listens; else the configured port; else the usual one. */
export async function agentPort(flags: Pick<Flags, 'home'>, ctx: CliContext): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const { endpointFile } = await import('../agent/main.ts');
  const { loadAgentConfig } = await import('../agent/config.ts');
  const { DEFAULT_PORT } = await import('../provision/port.ts');
  const layout = layoutFor(flags.home, ctx);
  try {
    const { port } = JSON.parse(await readFile(endpointFile(layout), 'utf8')) as { port?: unknown };
    if (typeof port === 'number') return port;
  } catch {
    // Not there, or others than root may not read it; they still may ask how the agent is.
  }
  return loadAgentConfig({ layout, env: ctx.process.env }).then(
    (config) => config.server.port,
    () => DEFAULT_PORT,
  );
}

async function lastUpgrade(flags: Flags, ctx: CliContext): Promise<string> {
  const { readUpgrade } = await import('../provision/upgrade/record.ts');
  const { describeRecord } = await import('../provision/upgrade/run.ts');
  const record = await readUpgrade(layoutFor(flags.home, ctx)).catch(() => undefined);
  return record === undefined ? '' : `last upgrade  ${describeRecord(record)}\n`;
}

/** `29.4 days left, until 2026-12-26T…`: what remains, in the unit that says most. */
function describeEnd(expiresAt: string, now: number): string {
  const seconds = Math.round((Date.parse(expiresAt) - now) / 1000);
  if (seconds <= 0) return `ended at ${expiresAt}`;
  const [unit, name] = [[86_400, 'days'] as const, [3600, 'hours'] as const, [60, 'minutes'] as const].find(
    ([size]) => seconds >= 2 * size,
  ) ?? [1, 'seconds'];
  return `${Math.floor((seconds / unit) * 10) / 10} ${name} left, until ${expiresAt}`;
}

/** By polls: with the reason, which the agent keeps in the detail of its condition. */
function connectedText(health: AgentHealth, info: AgentInfo | undefined): string {
  if (!health.websocket_connected) return 'no';
  if (info?.transport !== 'poll') return 'yes';
  const detail = info.conditions.find(({ name }) => name === 'websocket')?.detail ?? '';
  const since = detail.indexOf(', since ');
  return `yes, by long polling${since < 0 ? '' : detail.slice(since)}`;
}

function describe(health: AgentHealth, info: AgentInfo | undefined, port: number, now: number): string {
  const rows: [string, string][] = [
    ['status', health.status],
    ['vm_id', health.vm_id ?? '(not enrolled)'],
    ['agent_id', health.agent_id ?? '(not enrolled)'],
    ['version', health.version],
    ['orchestrator', health.orchestrator_url ?? '(none)'],
    ['connected', connectedText(health, info)],
    ['security', health.security_status],
    ['tools', health.tools_enabled.join(', ') || '(none)'],
    ['port', String(info?.port ?? port)],
  ];
  if (info?.certificate) {
    const { expires_at, renew_at, failure } = info.certificate;
    const next =
      failure === null ? `renewed at ${renew_at}` : `not renewed: ${failure}; again at ${renew_at}`;
    rows.push(['certificate', `${describeEnd(expires_at, now)}; ${next}`]);
  }
  if (info !== undefined) {
    rows.push(['pid', String(info.runtime.pid)], ['started', info.started_at]);
    for (const { name, ok, detail } of info.conditions.filter((condition) => !condition.ok))
      rows.push([ok ? name : `! ${name}`, detail]);
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}
