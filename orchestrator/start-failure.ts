import { systemError } from '../base/sqlite.ts';
import { AppError } from '../protocol/errors.ts';

const FREE_SPACE = 'Free some space there, or give another --data.';
const RESTORE = 'If data is lost, restore a backup (docs/operations.md, `vm-orchestrator restore`).';
const OTHER_FOLDER = 'Give a --data that this user may make and write to.';

/** [what is wrong, what to do], by the code of the system or the number of SQLite's result (sqlite.org/rescode.html). */
const DATA: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EPERM: ['the system does not permit it', OTHER_FOLDER],
  EACCES: ['this user may not write there', OTHER_FOLDER],
  ENOTDIR: ['a part of the path is a file', 'Give a --data whose parts are folders.'],
  EEXIST: ['there is a file of that name', 'Give the name of a folder, or one that is free.'],
  ENOENT: ['no folder can be made there', OTHER_FOLDER],
  ELOOP: ['its links lead in a circle', OTHER_FOLDER],
  ENAMETOOLONG: ['the name is too long', 'Give a shorter --data.'],
  EROFS: ['the file system is read-only', 'Mount it writable, or give another --data.'],
  ENOSPC: ['the disk is full', FREE_SPACE],
  EDQUOT: ['the quota is used up', FREE_SPACE],
  8: ['the store is read-only', OTHER_FOLDER],
  10: ['the disk gave an error', `Look at the system’s log. ${RESTORE}`],
  11: ['the store is damaged', RESTORE],
  13: ['the disk is full', FREE_SPACE],
  14: ['no database can be opened there', OTHER_FOLDER],
  26: [
    'orchestrator.db is not a database',
    `Give the --data of an orchestrator, or an empty folder. ${RESTORE}`,
  ],
};

/** Why the data folder cannot be used, for a person; an error that means something else as it is. */
export function dataFailure(dataDir: string, cause: unknown): unknown {
  const found = cause instanceof AppError ? undefined : systemError(cause);
  const known = found && DATA[String(found.errcode ?? found.code)];
  if (!found || !known) return cause;
  const full = found.code === 'ENOSPC' || found.code === 'EDQUOT' || found.errcode === 13;
  return new AppError(full ? 'disk_full' : 'unavailable', {
    detail: `--data ${dataDir} cannot be used: ${known[0]} (${found.errcode === undefined ? found.code : found.message}).`,
    hint: known[1],
    cause,
  });
}

/** Why an address cannot be listened on, for a person; an error that means something else as it is. */
export function listenFailure(at: { host: string; port: number }, cause: unknown): unknown {
  const where = `${at.host.includes(':') ? `[${at.host}]` : at.host}:${at.port}`;
  const { code } = cause as NodeJS.ErrnoException;
  const failure = (detail: string, hint: string) =>
    new AppError('unavailable', { detail: `--listen ${where}: ${detail} (${code}).`, hint, cause });
  switch (code) {
    case 'EADDRINUSE':
      return failure(
        'the port is in use by another program',
        `Give another port, or find who has it: ss -ltnp 'sport = :${at.port}'.`,
      );
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
      return failure(
        'this machine does not have that address',
        'Give one of its own (`ip address` lists them), or 0.0.0.0 for all.',
      );
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return failure('the name has no address', 'Give an address of this machine, or 0.0.0.0 for all.');
    case 'EACCES':
    case 'EPERM':
      return failure(
        'this user may not listen on that port',
        'Give a port from 1024 on, or let systemd grant it: AmbientCapabilities=CAP_NET_BIND_SERVICE.',
      );
    default:
      return cause;
  }
}
