import { STATUS_CODES } from 'node:http';
import type { z } from 'zod';
import { AppError, type ErrorCode } from '../protocol/errors.ts';
import type { Problem } from '../protocol/problem.ts';
import { diskFault } from './sqlite.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** Errors of a schema as `bad_request`, with each place that is wrong. */
export class InvalidInput extends AppError {
  readonly errors: readonly { path: string; message: string }[];

  constructor(error: z.ZodError, options: { code?: ErrorCode; what?: string } = {}) {
    super(options.code ?? 'bad_request', {
      detail: `${options.what ?? 'The request'} is not valid.`,
      cause: error,
    });
    this.errors = error.issues
      .slice(0, 50)
      .map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
  }
}

/** How long (s) a client should wait for a disk that takes nothing. */
const DISK_RETRY_S = 5;

function knownError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (diskFault(error) === undefined) return new AppError('internal', { cause: error });
  return new AppError('store_unavailable', {
    detail: 'The disk here cannot be used now, so nothing was kept of this request.',
    hint: 'Try again later. The log says what is wrong with the disk.',
    context: { retry_after: DISK_RETRY_S },
    cause: error,
  });
}

/**
 * What a client may see of an error: a disk's as `store_unavailable`, anything else that is no AppError as `internal`,
 * without its text.
 */
export function toProblem(error: unknown, instance?: string): Problem {
  const known = knownError(error);
  return {
    type: `urn:vm-agent:error:${known.code}`,
    title: STATUS_CODES[known.status] ?? 'Error',
    status: known.status,
    detail: known.message,
    code: known.code,
    ...(instance === undefined ? {} : { instance }),
    ...(known.hint === undefined ? {} : { hint: known.hint }),
    ...(Object.keys(known.context).length === 0 ? {} : { context: known.context }),
    ...(known instanceof InvalidInput ? { errors: [...known.errors] } : {}),
  };
}
