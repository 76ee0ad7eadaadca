import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { AppError } from '../protocol/errors.ts';
import { type CliContext, EXIT, layoutFor, withHome } from './context.ts';

interface Flags {
  home?: string;
  json?: boolean;
  verify?: boolean;
  last?: string;
}

/** The executor's audit chain: what was asked of it, by whom, and what it refused. */
export function addAudit(program: Command, ctx: CliContext): void {
  withHome(program.command('audit'))
    .description('show or verify the audit log of what ran here with more than the agent’s own rights')
    .option('--verify', 'check that no entry was changed, removed or put in; exit code 1 if one was')
    .option('--last <n>', 'the last n entries alone (default: all)')
    .option('--json', 'a JSON object a line')
    .action(async (flags: Flags) => {
      ctx.process.exitCode = await audit(flags, ctx);
    });
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
  if (ctx.process.getuid?.() !== 0)
    throw new AppError('not_root', {
      detail: 'Only root may read the audit log.',
      hint: 'Run it with sudo.',
    });
  const { database } = executorPlaces(layout);
  if (!existsSync(database))
    throw new AppError('not_found', {
      detail: 'There is no audit log: no privileged executor has run here.',
      hint: 'In user mode, and with --no-privileged-executor, commands have the agent’s own rights; agent.log names them.',
    });
  const ledger = new Ledger({ file: database, clock: systemClock });
  try {
    if (flags.verify) {
      const verdict = verifyChain(ledger.entries());
      if (flags.json) stdout.write(`${JSON.stringify(verdict)}\n`);
      else if (verdict.ok) stdout.write(`${verdict.entries} entries, whole; head ${verdict.head}\n`);
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
