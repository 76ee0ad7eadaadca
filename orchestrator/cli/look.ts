import type { Command } from 'commander';
import { withoutEscapes } from '../../protocol/escapes.ts';
import { tailLogSchema } from '../../protocol/log-tools.ts';
import { METRIC_NAMES, METRICS_KEPT_S, metricsSchema } from '../../protocol/rest-metrics.ts';
import { processListSchema } from '../../protocol/system.ts';
import { agentArgument, countArgument, durationArgument } from './arguments.ts';
import { callTool } from './call-tool.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, timeText, write } from './print.ts';

const MOST_LINES = 2000;
const WAIT_MS = 20_000;
/** Lines of a machine are data: nothing in them moves the reader's terminal. */
const plain = (line: string): string => withoutEscapes(line).replace(/(?!\t)\p{Cc}/gu, '?');

async function metrics(deps: CliDeps, id: string, flags: ClientFlags & { since: number }): Promise<void> {
  const client = await clientFor(deps, flags);
  const from = Math.floor(deps.clock.now() / 1000) - flags.since;
  const path = `/agents/${encodeURIComponent(id)}/metrics`;
  const found = await client.call({ path, query: { from }, answer: metricsSchema });
  if (flags.json) return printJson(deps.stdout, found);
  const rows = METRIC_NAMES.flatMap((name) => {
    const { mean, max } = found.series[name];
    const values = mean.filter((value) => value !== null);
    const peaks = max.filter((value) => value !== null);
    if (values.length === 0) return [];
    const text = (value: number | undefined) =>
      value === undefined
        ? '-'
        : name.endsWith('_used')
          ? `${(value * 100).toFixed(1)} %`
          : String(Math.round(value * 100) / 100);
    const average = values.reduce((sum, value) => sum + value, 0) / values.length;
    return [[name, text(values.at(-1)), text(average), text(Math.max(...peaks))]];
  });
  await write(deps.stdout, table(['METRIC', 'LAST', 'MEAN', 'MAX'], rows));
}

async function processes(
  deps: CliDeps,
  id: string,
  flags: ClientFlags & { top: number; sort: string; filter?: string },
): Promise<void> {
  const client = await clientFor(deps, flags);
  const { top, sort, filter } = flags;
  const args = { top, sort, ...(filter === undefined ? {} : { filter }) };
  const answer = processListSchema;
  const found = await callTool(client, { agent: id, tool: 'get_process_list', args, answer });
  if (flags.json) return printJson(deps.stdout, found);
  const rows = found.processes.map((process) => [
    String(process.pid),
    process.user,
    `${process.cpu.toFixed(1)} %`,
    `${(process.rss / 1024 ** 2).toFixed(1)} MB`,
    process.state,
    timeText(process.started),
    process.command,
  ]);
  await write(deps.stdout, table(['PID', 'USER', 'CPU', 'MEMORY', 'STATE', 'STARTED', 'COMMAND'], rows));
}

async function logs(
  deps: CliDeps,
  id: string,
  source: string,
  flags: ClientFlags & { lines: number; follow?: true },
): Promise<void> {
  const client = await clientFor(deps, flags);
  const place = source.startsWith('/') ? { log_path: source } : { unit: source };
  const shutdown = deps.shutdown();
  const signal = shutdown.graceful;
  let cursor: string | undefined;
  try {
    do {
      const more =
        cursor === undefined ? { lines: flags.lines } : { lines: MOST_LINES, cursor, wait_ms: WAIT_MS };
      const found = await callTool(client, {
        agent: id,
        tool: 'tail_log',
        args: { ...place, ...more },
        answer: tailLogSchema,
        wait: WAIT_MS / 1000 + 10,
        signal,
      });
      if (cursor === undefined && found.lines.length === 0 && !flags.json && !source.startsWith('/'))
        deps.stderr.write(
          `The journal of ${id} has no entries of ${source}. Is that the name of a unit there? systemctl list-units shows them.\n`,
        );
      cursor = found.cursor ?? cursor;
      if (flags.json)
        for (const line of found.lines) await printJson(deps.stdout, { source: found.source, line });
      else if (found.lines.length > 0) await write(deps.stdout, `${found.lines.map(plain).join('\n')}\n`);
      if (flags.follow && found.cursor === undefined) await deps.clock.sleep(2000, signal);
    } while (flags.follow);
  } catch (cause) {
    // Whoever follows ends it so.
    if (!signal.aborted) throw cause;
  } finally {
    shutdown.dispose();
  }
}

/** `metrics`, `ps` and `logs`: a look into one machine. */
export function register(program: Command, deps: CliDeps): void {
  withClientFlags(
    program
      .command('metrics')
      .description('show the load of an agent over time')
      .argument('<agent>', 'its vm_id or agent_id', agentArgument)
      .option(
        '--since <time>',
        'how far back: 30m, 6h, 7d',
        durationArgument('--since', { least: '1m', most: `${METRICS_KEPT_S / 86_400}d` }),
        3600,
      ),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags & { since: number }) =>
      reporting(deps, flags, () => metrics(deps, id, flags)),
    );
  withClientFlags(
    program
      .command('ps')
      .description('list the processes of an agent')
      .argument('<agent>', 'its vm_id or agent_id', agentArgument)
      .option('--top <n>', 'how many, at most 1000', countArgument('--top', 1000), 30)
      .option('--sort <order>', 'cpu, memory, pid or start', 'cpu')
      .option('--filter <text>', 'part of the command line, user or unit'),
  )
    .addHelpText('after', CLIENT_HELP)
    .action((id: string, flags: ClientFlags & { top: number; sort: string; filter?: string }) =>
      reporting(deps, flags, () => processes(deps, id, flags)),
    );
  withClientFlags(
    program
      .command('logs')
      .description('print the end of a log of an agent, and what is added to it')
      .argument('<agent>', 'its vm_id or agent_id', agentArgument)
      .argument('<log>', 'absolute path of a file, or the name of a systemd unit')
      .option('--lines <n>', 'how many of the last lines', countArgument('--lines', MOST_LINES), 50)
      .option('--follow', 'go on until Ctrl+C'),
  )
    .addHelpText(
      'after',
      `${CLIENT_HELP}\n\nExample:\n  vm-orchestrator logs vm-web-1a2b3c ssh.service --follow`,
    )
    .action((id: string, log: string, flags: ClientFlags & { lines: number; follow?: true }) =>
      reporting(deps, flags, () => logs(deps, id, log, flags)),
    );
}
