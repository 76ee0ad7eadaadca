import { type Command, InvalidArgumentError } from 'commander';
import type { AgentClient } from '../agent/client.ts';
import { type CliContext, EXIT, withHome } from './context.ts';

interface Flags {
  home?: string;
  lines: number;
  analyze?: boolean;
  json?: boolean;
}

const count = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return value;
};

export function addLogs(program: Command, ctx: CliContext): void {
  withHome(program.command('logs'))
    .description('print the last lines of a log, or what they say in short, as the running agent reads it')
    .argument('<file>', 'absolute path of the log')
    .option('--lines <n>', 'how many of its last lines', count, 100)
    .option('--analyze', 'levels, most frequent messages and latest errors instead of the lines')
    .option('--json', 'the analysis as JSON')
    .action(async (file: string, flags: Flags) => {
      ctx.process.exitCode = await logs(file, flags, ctx);
    });
}

async function logs(file: string, flags: Flags, ctx: CliContext): Promise<number> {
  const { resolve } = await import('node:path');
  const { localAgent } = await import('./local-agent.ts');
  const { stdout } = ctx.process;
  const path = resolve(ctx.process.cwd(), file);
  const client = await localAgent(flags, ctx);
  if (flags.analyze || flags.json) {
    const found = await client.analyzeLog({ log_path: path, lines: flags.lines });
    stdout.write(flags.json ? `${JSON.stringify(found, null, 2)}\n` : await describe(found, ctx));
    return EXIT.ok;
  }
  const { visible } = await import('./table.ts');
  let ended = true;
  for await (const piece of lastLines(client, path, flags.lines)) {
    // A terminal is protected from what a log holds; a file or a pipe gets it as it is.
    const shown = stdout.isTTY ? piece.split('\n').map(visible).join('\n') : piece;
    ended = piece.endsWith('\n');
    await new Promise<void>((done) => stdout.write(shown, () => done()));
  }
  if (!ended) stdout.write('\n');
  return EXIT.ok;
}

/** An answer holds a limited part of a file: the first begins at the wanted line, the others where the last ended. */
async function* lastLines(client: AgentClient, path: string, lines: number): AsyncGenerator<string> {
  let piece = await client.readFile({ file_path: path, offset: -lines, limit: lines });
  yield piece.content;
  for (const end = piece.size; piece.end_byte < end; ) {
    const offset = piece.end_byte;
    piece = await client.readFile({
      file_path: path,
      unit: 'bytes',
      offset,
      limit: Math.min(end - offset, 65_536),
    });
    if (piece.end_byte <= offset) return;
    yield piece.content;
  }
}

async function describe(
  found: Awaited<ReturnType<AgentClient['analyzeLog']>>,
  ctx: CliContext,
): Promise<string> {
  const { paintFor } = await import('../provision/progress.ts');
  const { table, visible } = await import('./table.ts');
  const { bold } = paintFor(ctx.process.stdout, ctx.process.env);
  const levels = Object.entries(found.levels)
    .filter(([, n]) => n > 0)
    .map(([level, n]) => `${n} ${level}`);
  const facts: [string, string][] = [
    ['lines', `${found.lines_analyzed} (${found.format})`],
    ['levels', levels.join(', ') || 'none'],
    ...(found.first_time === undefined
      ? []
      : [['time', `${found.first_time} to ${found.last_time ?? ''}`] as [string, string]]),
  ];
  const templates = table(
    [{ title: 'COUNT', right: true }, { title: 'LEVEL' }, { title: 'MESSAGE' }],
    found.templates.map(({ count: n, level, template }) => [String(n), level, visible(template)]),
    bold,
  );
  const errors = found.errors.map(({ text }) => `${visible(text)}\n`).join('');
  return [
    facts.map(([name, value]) => `${bold(name.padEnd(6))}  ${value}\n`).join(''),
    templates,
    ...(errors === '' ? [] : [`${bold('LATEST ERRORS')}\n${errors}`]),
  ].join('\n');
}
