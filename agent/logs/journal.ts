import { execFile } from 'node:child_process';
import { AppError } from '../../protocol/errors.ts';

/** Where the journal lies; whoever may not read this may not read it through journalctl either. */
export const JOURNAL_FOLDER = '/var/log/journal';
export const JOURNAL_ENV = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', SYSTEMD_COLORS: '0' };
const MAX_BYTES = 4 * 1024 * 1024;

export interface JournalLines {
  lines: string[];
  cursor: string | undefined;
}

/**
 * The last lines of a unit, or those after a cursor, as journalctl shows them to the agent's own user.
 * @throws AppError `unsupported`, `forbidden`, `bad_request`, `unavailable`.
 */
export async function readJournal(options: {
  /** journalctl, or where it is. */
  program: string;
  unit: string;
  lines: number;
  cursor: string | undefined;
  signal: AbortSignal;
}): Promise<JournalLines> {
  const { program, unit, lines, cursor, signal } = options;
  const wanted = cursor === undefined ? [`--lines=${lines}`] : [`--after-cursor=${cursor}`];
  const args = ['--no-pager', '--output=short-iso', '--show-cursor', `--unit=${unit}`, ...wanted];
  const { failure, stdout, stderr } = await run(program, args, signal);
  if (signal.aborted) throw signal.reason;
  const error = journalFailure({
    failure: stdout === '' ? failure : undefined,
    stderr,
    nothing: !stdout.includes('-- cursor:'),
    cursor,
  });
  if (error !== undefined) throw error;
  const all = stdout.split('\n').filter((line) => line !== '');
  const mark = all.findLast((line) => line.startsWith('-- cursor: '));
  return {
    lines: all.filter((line) => !line.startsWith('-- ')),
    cursor: mark?.slice('-- cursor: '.length),
  };
}

/** What went wrong, for the caller; undefined when nothing did. `nothing`: it gave no entry. */
export function journalFailure(ended: {
  failure: NodeJS.ErrnoException | undefined;
  stderr: string;
  nothing: boolean;
  cursor: string | undefined;
}): AppError | undefined {
  const { failure, stderr, nothing, cursor } = ended;
  if (nothing && /insufficient permissions|not seeing messages/i.test(stderr))
    return new AppError('forbidden', {
      detail: 'The agent’s user may not read the journal of this VM.',
      hint: 'Add that user to the group systemd-journal, or read a log file.',
    });
  if (failure?.code === 'ENOENT')
    return new AppError('unsupported', {
      detail: 'This VM has no journalctl.',
      hint: 'Name a log file instead of a unit.',
    });
  if (failure?.code === 'EACCES' || failure?.code === 'EPERM')
    return new AppError('unsupported', {
      detail: 'The agent may start no programs, so it cannot ask journalctl.',
      hint: 'Name a log file instead of a unit.',
    });
  if (failure === undefined || !nothing) return undefined;
  const said = stderr.trim().split('\n')[0] ?? '';
  return new AppError(cursor !== undefined && /cursor/i.test(said) ? 'bad_request' : 'unavailable', {
    detail: `journalctl failed: ${said || failure.message}`,
    cause: failure,
  });
}

function run(
  program: string,
  args: string[],
  signal: AbortSignal,
): Promise<{ failure: NodeJS.ErrnoException | undefined; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(program, args, { env: JOURNAL_ENV, signal, maxBuffer: MAX_BYTES }, (failure, stdout, stderr) =>
      resolve({ failure: (failure as NodeJS.ErrnoException | null) ?? undefined, stdout, stderr }),
    );
  });
}
