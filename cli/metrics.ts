import type { Command } from 'commander';
import type { ProcessList, SystemMetrics } from '../protocol/system.ts';
import { type CliContext, EXIT, withHome } from './context.ts';

interface Flags {
  home?: string;
  top?: number;
  json?: boolean;
  prometheus?: boolean;
}

export function addMetrics(program: Command, ctx: CliContext): void {
  withHome(program.command('metrics'))
    .description('show how this machine is: processor, memory, disks, network, processes')
    .option('--top <n>', 'so many processes (default 10; 0: none)', Number)
    .option('--prometheus', 'the text of /metrics')
    .option('--json', 'as JSON')
    .action(async (flags: Flags) => {
      ctx.process.exitCode = await metrics(flags, ctx);
    });
}

async function metrics(flags: Flags, ctx: CliContext): Promise<number> {
  const { localAgent } = await import('./local-agent.ts');
  const { paintFor } = await import('../provision/progress.ts');
  const { stdout, env } = ctx.process;
  const client = await localAgent(flags, ctx);
  if (flags.prometheus) {
    stdout.write(await client.metricsText());
    return EXIT.ok;
  }
  const top = flags.top ?? 10;
  const [system, processes] = await Promise.all([
    client.systemMetrics(),
    top > 0 ? client.processes({ top, sort: 'cpu' }) : undefined,
  ]);
  stdout.write(
    flags.json
      ? `${JSON.stringify({ ...system, processes: processes?.processes ?? [] }, null, 2)}\n`
      : await describe(system, processes, paintFor(stdout, env).bold),
  );
  return EXIT.ok;
}

async function describe(
  m: SystemMetrics,
  processes: ProcessList | undefined,
  bold: (text: string) => string,
): Promise<string> {
  const { humanBytes, percent, table, visible } = await import('./table.ts');
  const rate = (bytes: number) => `${humanBytes(bytes)}/s`;
  const { cpu, memory, swap } = m;
  const facts: [string, string][] = [
    ['host', `${m.hostname}, up ${duration(m.uptime_s)}, ${m.users.length} logged in`],
    [
      'cpu',
      `${percent(cpu.used)} of ${cpu.cores} cores (user ${percent(cpu.user)}, system ${percent(cpu.system)}, iowait ${percent(cpu.iowait)}, steal ${percent(cpu.steal)})`,
    ],
    ['cores', cpu.per_core.map(percent).join(' ')],
    ['load', m.load.join(' ')],
    [
      'memory',
      `${percent(memory.used)} of ${humanBytes(memory.total)}, ${humanBytes(memory.available)} available`,
    ],
    [
      'swap',
      swap.total === 0 ? 'none' : `${humanBytes(swap.total - swap.free)} of ${humanBytes(swap.total)}`,
    ],
    ...Object.entries(m.pressure ?? {}).map(([name, p]): [string, string] => [
      `${name} pressure`,
      `${p.some_avg10}% of the last 10 s, ${p.some_avg60}% of the last minute`,
    ]),
    ...m.temperatures.map(({ sensor, celsius }): [string, string] => [visible(sensor), `${celsius} °C`]),
    ...m.users.map(({ name, terminal, from, since }): [string, string] => [
      'user',
      visible([name, terminal, from, since].filter((part) => part !== undefined).join(' ')),
    ]),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const right = true;
  const sections = [
    facts.map(([name, value]) => `${bold(name.padEnd(width))}  ${value}\n`).join(''),
    table(
      [
        { title: 'DISK' },
        { title: 'TYPE' },
        { title: 'SIZE', right },
        { title: 'FREE', right },
        { title: 'USED', right },
        { title: 'INODES', right },
      ],
      m.disks.map((disk) => [
        visible(disk.mount),
        disk.type,
        humanBytes(disk.total),
        humanBytes(disk.available),
        percent(disk.used),
        disk.inodes_total === 0 ? '-' : percent(1 - disk.inodes_free / disk.inodes_total),
      ]),
      bold,
    ),
    table(
      [{ title: 'DEVICE' }, { title: 'READ', right }, { title: 'WRITTEN', right }, { title: 'BUSY', right }],
      m.disk_io.map((io) => [io.device, rate(io.read_bytes_s), rate(io.write_bytes_s), percent(io.busy)]),
      bold,
    ),
    table(
      [{ title: 'NETWORK' }, { title: 'IN', right }, { title: 'OUT', right }, { title: 'ERRORS', right }],
      m.network.map((n) => [
        visible(n.interface),
        rate(n.rx_bytes_s),
        rate(n.tx_bytes_s),
        String(n.errors + n.dropped),
      ]),
      bold,
    ),
  ];
  if (processes !== undefined)
    sections.push(
      table(
        [
          { title: 'PID', right },
          { title: 'USER' },
          { title: 'CPU%', right },
          { title: 'MEMORY', right },
          { title: 'COMMAND' },
        ],
        processes.processes.map((p) => [
          String(p.pid),
          p.user,
          p.cpu.toFixed(1),
          humanBytes(p.rss),
          visible(p.command).slice(0, 100),
        ]),
        bold,
      ),
    );
  return sections.join('\n');
}

function duration(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return days > 0 ? `${days} d ${hours} h` : `${hours} h ${minutes} min`;
}
