import type { Command } from 'commander';
import { type CliContext, EXIT, withHome } from './context.ts';

interface Flags {
  home?: string;
  sort?: 'name' | 'size' | 'modified';
  json?: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  directory: 'd',
  link: 'l',
  file: '-',
  fifo: 'p',
  socket: 's',
  'block device': 'b',
  'character device': 'c',
};
const PAGE = 1000;

export function addLs(program: Command, ctx: CliContext): void {
  withHome(program.command('ls'))
    .description('list a folder, as the running agent sees it')
    .argument('<path>', 'absolute path of the folder')
    .option('--sort <how>', 'name, size or modified (largest or newest first)', 'name')
    .option('--json', 'as JSON')
    .action(async (path: string, flags: Flags) => {
      ctx.process.exitCode = await ls(path, flags, ctx);
    });
}

async function ls(path: string, flags: Flags, ctx: CliContext): Promise<number> {
  const { resolve } = await import('node:path');
  const { localAgent } = await import('./local-agent.ts');
  const { paintFor } = await import('../provision/progress.ts');
  const { humanBytes, table, visible } = await import('./table.ts');
  const { stdout, env } = ctx.process;
  const client = await localAgent(flags, ctx);
  const ask = (offset: number) =>
    client.listDirectory({
      directory_path: resolve(ctx.process.cwd(), path),
      sort: flags.sort ?? 'name',
      offset,
      limit: PAGE,
    });
  const first = await ask(0);
  const entries = [...first.entries];
  for (let next = first.next_offset; next !== undefined; ) {
    const page = await ask(next);
    entries.push(...page.entries);
    next = page.next_offset;
  }
  if (flags.json) {
    const { directory_path, total } = first;
    stdout.write(`${JSON.stringify({ directory_path, total, entries }, null, 2)}\n`);
    return EXIT.ok;
  }
  const rows = entries.map((entry) => [
    `${TYPES[entry.type] ?? '?'}${entry.mode}`,
    entry.owner,
    humanBytes(entry.size),
    entry.modified.slice(0, 16).replace('T', ' '),
    `${visible(entry.name)}${entry.target === undefined ? '' : ` -> ${visible(entry.target)}`}`,
  ]);
  const columns = [
    { title: 'MODE' },
    { title: 'OWNER' },
    { title: 'SIZE', right: true },
    { title: 'MODIFIED (UTC)' },
    { title: 'NAME' },
  ];
  stdout.write(table(columns, rows, paintFor(stdout, env).bold));
  return EXIT.ok;
}
