import { type IncomingMessage, STATUS_CODES } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { z } from 'zod';
import { AppError, type ErrorCode } from '../protocol/errors.ts';
import type { Problem } from '../protocol/problem.ts';
import type { Clock } from './clock.ts';
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
function answerAndEnd(socket: Duplex, error: unknown): void {
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

/** Who was answered before he had said all may read the answer (ms). */
const UNREAD_MS = 5000;

/** For a request that was answered: who still sends its body is cut in a while, and not before he can have read why. */
export function cutUnread(request: IncomingMessage, clock: Clock): void {
  if (!request.complete)
    clock.setTimer(UNREAD_MS, () => !request.complete && request.socket.destroy(), { background: true });
}

/** Those that are cut in a while. */
const refused = new WeakSet<Duplex>();

/**
 * What never became a request. An HTTP parser's refusal is said as every other error is; a handshake that failed or
 * took too long has nobody to read an answer, and whoever waited for it to be written would wait for ever. What a
 * client goes on to send after the refusal comes here piece by piece, as broken as before, and is thrown away.
 */
export function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex, clock: Clock): void {
  if (error.code === 'HPE_HEADER_OVERFLOW') answerAndEnd(socket, new AppError('headers_too_large'));
  else if (error.code?.startsWith('HPE_'))
    answerAndEnd(socket, new AppError('bad_request', { detail: 'These bytes are no HTTP request.' }));
  else if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    answerAndCut(socket, new AppError('bad_request', { detail: 'The request did not come in time.' }));
  else socket.destroy();
  if (refused.has(socket)) return;
  refused.add(socket);
  clock.setTimer(UNREAD_MS, () => socket.destroy(), { background: true });
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
