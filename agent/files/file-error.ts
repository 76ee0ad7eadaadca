import { AppError } from '../../protocol/errors.ts';

/** An error of the system about a path → what to tell the caller. An AppError stays as it is. */
export function fileError(cause: unknown, path: string, doing: string): AppError {
  if (cause instanceof AppError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  const because = (detail: string, hint?: string) => ({
    detail,
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
  switch (code) {
    case 'ENOENT':
      return new AppError('not_found', because(`${path} does not exist.`));
    case 'ENOTDIR':
      return new AppError('not_found', because(`${path} does not exist: a part of it is not a directory.`));
    case 'EACCES':
    case 'EPERM':
      return new AppError(
        'forbidden',
        because(
          `The agent's user may not ${doing} ${path}.`,
          'Give that user the right, or name another path.',
        ),
      );
    case 'ELOOP':
      return new AppError(
        'path_refused',
        because(`${path} is a symbolic link, or links go round in a circle.`),
      );
    case 'ENAMETOOLONG':
      return new AppError('bad_request', because(`${path.slice(0, 100)}… is longer than the system allows.`));
    case 'EISDIR':
      return new AppError('bad_request', because(`${path} is a directory.`));
    case 'ENOSPC':
    case 'EDQUOT':
      return new AppError('disk_full', because(`There is no space left for ${path}; it was not changed.`));
    case 'EROFS':
      return new AppError(
        'forbidden',
        because(
          `${path} is on a file system that the agent sees as read-only.`,
          'The service may write only where its unit allows; name another path.',
        ),
      );
    case 'EMFILE':
    case 'ENFILE':
      return new AppError('unavailable', because('Too many files are open just now; try again.'));
    default:
      return new AppError('unavailable', because(`${path}: ${message}`));
  }
}
