import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
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

function answerOf(error: unknown): string {
  const problem = toProblem(error);
  const body = `${JSON.stringify(problem)}\n`;
  return (
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  );
}

/**
 * Answers by hand one who is still sending, and ends this side alone: cut now, he would fail at his next write and never
 * read why. The caller goes on to read, and cuts him in a while.
 */
export function answerAndEnd(socket: Duplex, error: unknown): void {
  if (socket.writable) socket.end(answerOf(error));
}

/**
 * Answers by hand what did not become a request, or may not become something else, and ends the connection: also where
 * the other end never reads, and never closes its own side.
 */
export function answerAndCut(socket: Duplex, error: unknown): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  socket.write(answerOf(error));
  if (socket instanceof Socket) socket.destroySoon();
  else socket.end(() => socket.destroy());
}

/** More headers than any client of ours, or any browser behind any number of proxies, sends. */
const MAX_HEADERS = 100;

/**
 * Node drops what is above its own limit without a word, and with it an Origin or an Authorization that somebody put
 * last: listeners take all headers (their size is limited) and refuse here. @throws AppError `headers_too_large`
 */
export function refuseManyHeaders({ rawHeaders }: IncomingMessage): void {
  if (rawHeaders.length > 2 * MAX_HEADERS)
    throw new AppError('headers_too_large', { detail: `A request has at most ${MAX_HEADERS} headers.` });
}
