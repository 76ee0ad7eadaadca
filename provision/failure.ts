import { AppError } from '../protocol/errors.ts';

const isErrno = (value: unknown): value is NodeJS.ErrnoException =>
  value instanceof Error && typeof (value as NodeJS.ErrnoException).code === 'string';

/** What a step threw, as an error that says what to do. */
export function explain(cause: unknown): AppError {
  if (cause instanceof AppError) return cause;
  if (!isErrno(cause)) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    return new AppError('step_failed', {
      detail,
      hint: 'Run again with --debug to see where it happened; a second run continues where this one stopped.',
      cause,
    });
  }
  const where = cause.path === undefined ? '' : ` at ${cause.path}`;
  if (cause.code === 'ENOSPC' || cause.code === 'EDQUOT') {
    return new AppError('disk_full', {
      detail: `No space is left on the disk${where}.`,
      hint: 'Free some space and run the same command again: it continues where this run stopped.',
      cause,
    });
  }
  if (cause.code === 'EROFS' || cause.code === 'EACCES' || cause.code === 'EPERM') {
    return new AppError('step_failed', {
      detail: `This may not be written${where} (${cause.code}).`,
      hint:
        cause.code === 'EROFS'
          ? 'The file system is read-only; choose another place with --user --home DIR.'
          : 'Run it as root (sudo), or as a user who owns that place with --user --home DIR.',
      cause,
    });
  }
  return new AppError('step_failed', {
    detail: `${cause.message}`,
    hint: 'Run again with --debug to see where it happened; a second run continues where this one stopped.',
    cause,
  });
}
