import { resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../protocol/duration.ts';
import type { Bench } from './checks/bench.ts';
import { type CliContext, EXIT, withHome } from './context.ts';

interface Flags {
  home?: string;
  output?: string;
  since?: number;
}

const DAY_S = 24 * 3600;

const sinceArgument = (text: string): number => {
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds <= 0)
    throw new InvalidArgumentError('Write seconds, or a number with s, m, h or d: 90, 30m, 24h.');
  return seconds;
};

export function addSupportBundle(program: Command, ctx: CliContext): void {
  withHome(program.command('support-bundle'))
    .description('put all that helps to find a fault into one file, without secrets')
    .option('--output <file>', 'the file (default: vm-agent-support-VM_ID-TIME.tar.gz in this folder)')
    .option('--since <time>', 'how far the journal goes back (default: 24h)', sinceArgument)
    .addHelpText(
      'after',
      '\nKeys are never included; tokens, passwords and the texts of commands are removed, and counted. The file is yours\nalone (0600). Look at it before you send it.\n',
    )
    .action(async (flags: Flags) => {
      ctx.process.exitCode = await supportBundle(flags, ctx);
    });
}

async function supportBundle(flags: Flags, ctx: CliContext): Promise<number> {
  const { openBench } = await import('./checks/open-bench.ts');
  const { diagnose } = await import('./diagnose.ts');
  const { collect } = await import('./bundle/collect.ts');
  const { createRedactor } = await import('./bundle/redact.ts');
  const { packTexts } = await import('./bundle/pack.ts');
  const { writeFileAtomic } = await import('../base/atomic-file.ts');
  const { isoTime } = await import('../base/clock.ts');
  const { stdout } = ctx.process;
  const bench = openBench(flags, ctx);
  const diagnosis = await diagnose(bench, ctx.version);
  const texts = await collect(bench, diagnosis, flags.since ?? DAY_S);
  const { redact, removed } = createRedactor(await secretsOf(bench));
  for (const [name, text] of texts) texts.set(name, redact(text));
  const now = bench.clock.now();
  texts.set('removed.json', `${JSON.stringify(removed, null, 2)}\n`);
  const stamp = isoTime(now).slice(0, 19).replaceAll(/[-:]/g, '');
  const name = `vm-agent-support-${diagnosis.vm_id ?? ctx.hostname}-${stamp}Z`;
  const path = resolve(flags.output ?? `${name}.tar.gz`);
  const packed = await packTexts(name, texts, now);
  await writeFileAtomic(path, packed, { mode: 0o600 });

  const counts = Object.entries(removed);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const kinds = counts.map(([kind, count]) => `${count} × ${kind}`).join(', ');
  stdout.write(
    `${path}: ${texts.size} files, ${Math.ceil(packed.length / 1024)} KB, readable by you alone.\n` +
      `Secrets removed: ${total}${kinds && ` (${kinds})`}. Keys are not in it. Look at it before you send it.\n`,
  );
  return EXIT.ok;
}

/** This machine's own, which must not be in the bundle whatever they look like. */
async function secretsOf({ layout }: Bench): Promise<string[]> {
  const { readSecurityFile } = await import('../agent/identity/credentials.ts');
  const read = (file: 'apiKey' | 'key') => readSecurityFile(layout, file).catch(() => undefined);
  const [apiKey, key] = [await read('apiKey'), await read('key')];
  const lines = key?.split('\n').filter((line) => !line.startsWith('-----')) ?? [];
  return [...(apiKey === undefined ? [] : [apiKey]), ...lines];
}
