import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { AuditReport } from '../../../protocol/audit-log.ts';
import { AppError } from '../../../protocol/errors.ts';
import { verifyResponseSchema } from '../../../protocol/rest-audit.ts';
import { type ClientFlags, clientFor } from '../client.ts';
import type { AuditSource, CliDeps } from '../deps.ts';
import { printJson, write } from '../print.ts';
import { type LogFlags, scopeOf } from './log.ts';

export interface VerifyFlags extends ClientFlags, LogFlags {
  data?: string;
  file?: string;
  key?: string;
  checkpoint: string[];
}

async function readCheckpoints(files: readonly string[]): Promise<AuditSource['checkpoints']> {
  return Promise.all(
    files.map(async (file) => ({
      who: basename(file),
      note: await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
        throw new AppError('config_invalid', {
          detail: `--checkpoint ${file} cannot be read (${cause.code ?? 'unknown error'}).`,
          cause,
        });
      }),
    })),
  );
}

async function reportOf(deps: CliDeps, flags: VerifyFlags): Promise<AuditReport> {
  const wrong = (detail: string, hint: string) => new AppError('config_invalid', { detail, hint });
  if (flags.data !== undefined && flags.file !== undefined)
    throw wrong('--data and --file exclude each other.', 'Give the folder of serve, or an export.');
  if (flags.key !== undefined && flags.file === undefined)
    throw wrong('--key belongs to --file.', 'The store’s own key is known by its master key.');
  const checkpoints = await readCheckpoints(flags.checkpoint);
  if (flags.file !== undefined)
    return deps.server.verifyAudit({ file: flags.file, key: flags.key, checkpoints });
  if (flags.data !== undefined)
    return deps.server.verifyAudit({
      data: flags.data,
      organization: flags.system ? undefined : flags.org,
      checkpoints,
    });
  const client = await clientFor(deps, flags, scopeOf(flags));
  return client.call({
    method: 'POST',
    path: '/audit/verify',
    body: { checkpoints },
    answer: verifyResponseSchema,
  });
}

function textOf(report: AuditReport, pinned: boolean): string {
  const { problem, witnesses } = report;
  const lines = [];
  if (problem === undefined) lines.push(`good: ${report.size} events, as they were sealed`);
  else {
    const where = problem.until === undefined ? '' : ` (it lies between ${problem.seq} and ${problem.until})`;
    lines.push(
      `BAD: the first bad event is ${problem.seq}${where}: ${problem.kind}, ${problem.why}`,
      ...(problem.event_id === undefined ? [] : [`  its id: ${problem.event_id}`]),
    );
  }
  lines.push(
    `  log         ${report.log}`,
    `  key         ${report.key}`,
    `  head        ${report.size} ${report.root}`,
    `  checked     ${report.checked} events, ${report.erased} with erased fields; ${report.unsealed} wait to be sealed`,
    ...(report.retained > 0 ? [`  dropped     events up to ${report.retained}, on purpose`] : []),
    `  checkpoints ${report.checkpoints}`,
    `  witnesses   ${witnesses.length === 0 ? 'none: a rewrite by who has the key would not be seen' : `${witnesses.filter(({ agrees }) => agrees).length} of ${witnesses.length} agree`}`,
    ...witnesses
      .filter(({ agrees }) => !agrees)
      .map(({ who, size }) => `    ${who} keeps another log of ${size} events`),
  );
  if (!pinned)
    lines.push('  The key is the file’s own: give --key with the one you kept, or this shows little.');
  return `${lines.join('\n')}\n`;
}

/** Exit code 0 for a good log, 1 for a bad one. */
export async function verify(deps: CliDeps, flags: VerifyFlags): Promise<void> {
  const report = await reportOf(deps, flags);
  if (flags.json) await printJson(deps.stdout, report);
  else await write(deps.stdout, textOf(report, flags.file === undefined || flags.key !== undefined));
  if (!report.ok) deps.exitWith(1);
}
