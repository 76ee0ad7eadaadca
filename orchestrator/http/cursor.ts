import { AppError } from '../../protocol/errors.ts';

/** A cursor is opaque to clients, so that what it holds may change. */
export const writeCursor = (key: string): string => Buffer.from(key).toString('base64url');

/** @throws AppError `bad_request` */
export function readCursor(cursor: string): string {
  const key = Buffer.from(cursor, 'base64url').toString('utf8');
  if (key !== '' && writeCursor(key) === cursor) return key;
  throw new AppError('bad_request', {
    detail: 'The cursor is not valid.',
    hint: 'Use next_cursor of an answer as it is, or none for the first page.',
  });
}

/** A cursor that holds a number. @throws AppError `bad_request` */
export function numberCursor(cursor: string): number {
  const value = Number(readCursor(cursor));
  if (Number.isSafeInteger(value)) return value;
  throw new AppError('bad_request', { detail: 'The cursor is not valid.' });
}
