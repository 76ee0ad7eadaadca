import type { Command } from 'commander';
import type { Bench } from './checks/bench.ts';
import type { Finding, Mode } from './checks/check.ts';
import { type CliContext, EXIT, withHome } from './context.ts';

interface Flags {
  home?: string;
  json?: boolean;
  fix?: boolean;
  dryRun?: boolean;
}

export interface Diagnosis {
  /** Nothing fails; there may be warnings. */
  ok: boolean;
  time: string;
  version: string;
  vm_id: string | null;
  /** From which the rest most likely follows. */
  cause: Finding | null;
  counts: Record<Finding['result'], number>;
  checks: Finding[];
}

export function addDiagnose(program: Command, ctx: CliContext): void {
  withHome(program.command('diagnose'))
    .description(
      'find out what is wrong with the agent on this machine, and what to do; names the cause first',
    )
    .option('--json', 'as JSON; the ids of the checks are stable')
    .option('--fix', 'repair owners, modes, units, links, and start a stopped service; never touches a key')
    .option('--dry-run', 'with --fix: say what would be repaired, and change nothing')
    .addHelpText('after', '\nExit codes: 0 nothing fails (there may be warnings), 1 something does.\n')
    .action(async (flags: Flags) => {
      ctx.process.exitCode = await runDiagnose(flags, ctx);
    });
}

async function runDiagnose(flags: Flags, ctx: CliContext): Promise<number> {
  const { openBench } = await import('./checks/open-bench.ts');
  const { writeLine } = await import('./checks/report.ts');
  const { paintFor } = await import('../provision/progress.ts');
  const { stdout, env } = ctx.process;
  const bench = openBench(flags, ctx);
  const mode: Mode = flags.dryRun ? 'plan' : flags.fix ? 'fix' : 'look';
  if (mode === 'fix') await refuseWithoutRoot(bench);
  const paint = paintFor(stdout, env);
  const diagnosis = await diagnose(bench, ctx.version, mode, (finding) => {
    if (flags.json) return;
    const { title, repaired, would, ...line } = finding;
    const notes = [
      ...(repaired === undefined ? [] : [`did: ${repaired}`]),
      ...(would === undefined ? [] : [`would ${would}`]),
    ];
    writeLine(stdout, paint, 17, { ...line, name: title, notes });
  });
  stdout.write(flags.json ? `${JSON.stringify(diagnosis, null, 2)}\n` : summary(diagnosis));
  return diagnosis.ok ? EXIT.ok : EXIT.failed;
}

/** Runs every check; `onFinding` hears of each as it is known. */
export async function diagnose(
  bench: Bench,
  version: string,
  mode: Mode = 'look',
  onFinding: (finding: Finding) => void = () => undefined,
): Promise<Diagnosis> {
  const { allChecks } = await import('./checks/all.ts');
  const { mostLikelyCause, runChecks } = await import('./checks/check.ts');
  const { isoTime } = await import('../base/clock.ts');
  const { readSecurityFile } = await import('../agent/identity/credentials.ts');
  const checks: Finding[] = [];
  const counts = { ok: 0, info: 0, warn: 0, fail: 0, skipped: 0 };
  for await (const finding of runChecks(allChecks(bench.system), bench, mode)) {
    checks.push(finding);
    counts[finding.result]++;
    onFinding(finding);
  }
  return {
    ok: counts.fail === 0,
    time: isoTime(bench.clock.now()),
    version,
    vm_id: (await readSecurityFile(bench.layout, 'vmId').catch(() => undefined)) ?? null,
    cause: mostLikelyCause(checks) ?? null,
    counts,
    checks,
  };
}

function summary({ cause, counts, checks }: Diagnosis): string {
  const repaired = checks.filter((check) => check.repaired !== undefined);
  const lines = repaired.map(({ repaired: what }) => `Repaired: ${what}\n`);
  const { fail, warn, skipped } = counts;
  const score = `${counts.ok} ok, ${warn} to look at, ${fail} wrong, ${skipped} skipped`;
  if (cause === undefined || cause === null) return `\n${lines.join('')}Nothing is wrong: ${score}.\n`;
  const first = fail > 0 ? 'Most likely cause' : 'Nothing fails; look at';
  const hint = cause.hint === undefined ? '' : `\n  What to do: ${cause.hint}`;
  return `\n${lines.join('')}${first}: ${cause.title} (${cause.id}): ${cause.detail.split('\n')[0]}${hint}\n${score}.\n`;
}

async function refuseWithoutRoot(bench: Bench): Promise<void> {
  if (!bench.system || bench.host.uid === 0) return;
  const { AppError } = await import('../protocol/errors.ts');
  throw new AppError('not_root', {
    detail: `Repairs need root; this runs as uid ${bench.host.uid}.`,
    hint: 'Run it with sudo. --dry-run says without root what would be repaired.',
  });
}
