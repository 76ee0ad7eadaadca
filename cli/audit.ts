import { existsSync } from 'node:fs';
import { readFile, unlink } from 'node:fs/promises';
import type { Command } from 'commander';
import { type KeptCheckpoint, keptCheckpointSchema } from '../protocol/audit-witness.ts';
import { witnessFile } from '../protocol/disk-layout.ts';
import { AppError } from '../protocol/errors.ts';
import { type CliContext, EXIT, layoutFor, withHome } from './context.ts';

interface Flags {
  home?: string;
  json?: boolean;
  verify?: boolean;
  last?: string;
  checkpoint?: boolean;
  forgetCheckpoint?: boolean;
}

/** The executor's audit chain: what was asked of it, by whom, and what it refused. */
export function addAudit(program: Command, ctx: CliContext): void {
  withHome(program.command('audit'))
    .description('show or verify the audit log of what ran here with more than the agent’s own rights')
    .option('--verify', 'check that no entry was changed, removed or put in; exit code 1 if one was')
    .option('--last <n>', 'the last n entries alone (default: all)')
    .option('--checkpoint', 'print the checkpoint of the orchestrator’s log that is kept here')
    .option(
      '--forget-checkpoint',
      'after the orchestrator was put back to a backup: stop asking for what it lost',
    )
    .option('--json', 'a JSON object a line')
    .action(async (flags: Flags) => {
      ctx.process.exitCode = await audit(flags, ctx);
    });
}

/** What this machine keeps as a witness, where no executor keeps it. */
async function daemonsCheckpoint(flags: Flags, file: string, ctx: CliContext): Promise<number> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ENOENT' ? NO_CHECKPOINT() : cause;
  });
  if (flags.forgetCheckpoint) {
    await unlink(file);
    ctx.process.stdout.write(FORGOTTEN);
  } else showCheckpoint(keptCheckpointSchema.parse(JSON.parse(text)), flags, ctx);
  return EXIT.ok;
}

const FORGOTTEN =
  'forgotten; the next checkpoint that the orchestrator shows is kept (restart the agent: it reconnects)\n';
const NO_CHECKPOINT = (): AppError =>
  new AppError('not_found', {
    detail: 'No checkpoint is kept here yet.',
    hint: 'The orchestrator shows one when the agent connects, and with heartbeats.',
  });

function showCheckpoint(kept: KeptCheckpoint, flags: Flags, { process: { stdout } }: CliContext): void {
  stdout.write(
    flags.json ? `${JSON.stringify({ size: kept.size, root: kept.root, note: kept.note })}\n` : kept.note,
  );
}

async function audit(flags: Flags, ctx: CliContext): Promise<number> {
  const { Ledger } = await import('../agent/executor/server/ledger.ts');
  const { executorPlaces } = await import('../agent/executor/server/places.ts');
  const { verifyChain } = await import('../agent/audit/verify-chain.ts');
  const { systemClock } = await import('../base/clock.ts');
  const { stdout } = ctx.process;
  const layout = layoutFor(flags.home, ctx);
  const last = flags.last === undefined ? undefined : Number(flags.last);
  if (last !== undefined && !(Number.isInteger(last) && last > 0))
    throw new AppError('bad_request', { detail: `--last wants a number above 0, not "${flags.last}".` });
  const { database } = executorPlaces(layout);
  const aboutCheckpoint = flags.checkpoint || flags.forgetCheckpoint;
  if (aboutCheckpoint && existsSync(witnessFile(layout)))
    return daemonsCheckpoint(flags, witnessFile(layout), ctx);
  if (ctx.process.getuid?.() !== 0)
    throw new AppError('not_root', {
      detail: 'Only root may read the audit log.',
      hint: 'Run it with sudo.',
    });
  if (!existsSync(database))
    throw new AppError('not_found', {
      detail: 'There is no audit log: no privileged executor has run here.',
      hint: 'In user mode, and with --no-privileged-executor, commands have the agent’s own rights; agent.log names them.',
    });
  const ledger = new Ledger({ file: database, clock: systemClock });
  try {
    if (aboutCheckpoint) {
      const kept = ledger.kept();
      if (kept === undefined) throw NO_CHECKPOINT();
      if (flags.forgetCheckpoint) {
        ledger.forgetKept();
        stdout.write(FORGOTTEN);
      } else showCheckpoint(kept, flags, ctx);
      return EXIT.ok;
    }
    if (flags.verify) {
      const { cosigned } = ledger;
      const verdict = verifyChain(ledger.entries(), cosigned);
      if (flags.json) stdout.write(`${JSON.stringify({ ...verdict, cosigned: cosigned ?? null })}\n`);
      else if (verdict.ok)
        stdout.write(
          `${verdict.entries} entries, whole; head ${verdict.head}\n${cosigned === undefined ? 'the orchestrator has counter-signed none yet' : `the orchestrator counter-signed ${cosigned.seq} of them, at ${cosigned.at}`}\n`,
        );
      else stdout.write(`entry ${verdict.seq} is not genuine: ${verdict.why}\n`);
      return verdict.ok ? EXIT.ok : EXIT.failed;
    }
    const from = last === undefined ? 0 : Math.max(0, ledger.head.seq - last);
    for (const { event, hash } of ledger.entries(from)) {
      if (flags.json) stdout.write(`${JSON.stringify({ ...event, hash })}\n`);
      else {
        const detail = Object.entries(event.detail).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
        stdout.write(`${event.seq} ${event.at} ${event.action} ${detail.join(' ')}\n`);
      }
    }
    return EXIT.ok;
  } finally {
    ledger.close();
  }
}
