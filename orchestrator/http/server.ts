import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Clock } from '../../base/clock.ts';
import {
  cutUnread,
  PROBLEM_TYPE,
  refuseBroken,
  refuseManyHeaders,
  toProblem,
} from '../../base/http-problem.ts';
import type { Logger } from '../../base/logger.ts';
import { newId } from '../../base/random.ts';
import { type ServerCredentials, secureContext, tlsServerOptions } from '../../base/tls-server.ts';
import { AppError } from '../../protocol/errors.ts';
import { nestsDeeper } from '../../protocol/json-text.ts';
import type { TokenRate } from '../../protocol/provisioning-token.ts';
import { AGENT_SNI } from '../../protocol/version.ts';
import type { AuthenticateAgent, AuthenticateUser } from './auth.ts';
import { type MountOptions, mountRoute } from './mount.ts';
import type { Replays } from './replay.ts';
import { limitRequests } from './request-limit.ts';
import type { Route } from './route.ts';
import { API_HEADERS, securityHeaders } from './security-headers.ts';
import { trackSockets } from './sockets.ts';

const BYTES = 'application/octet-stream';
const MAX_BODY_BYTES = 1024 * 1024;
/** With the interval at which they are looked for, who is slow with headers is gone within 15 s. */
const HEADERS_TIMEOUT_MS = 10_000;
const LOOK_EVERY_MS = 2500;
/** For a whole document; files, whose senders are known, have the request's time. */
const DOCUMENT_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 65_000;

export interface HttpServer {
  /** For who takes upgrades. */
  readonly server: Server;
  listen(at: { host: string; port: number }): Promise<AddressInfo>;
  /** Takes a renewed certificate into use, without a restart. */
  useCredentials(credentials: ServerCredentials): void;
  /** Stops taking requests and waits for running ones; `hard` ends them. */
  close(hard: AbortSignal): Promise<void>;
}

interface HttpOptions {
  routes: readonly Route[];
  /** Certificate of the private CA: what agents see. */
  credentials: ServerCredentials;
  /** What everybody else sees instead, when the operator gave one. PEM. */
  publicCertificate?: { cert: string; key: string } | undefined;
  authenticateUser: AuthenticateUser;
  authenticateAgent: AuthenticateAgent;
  refuseLocked?: MountOptions['refuseLocked'];
  replays: Replays;
  /** Requests of one user or API token; undefined: as many as he likes. */
  requestRate?: TokenRate | undefined;
  clock: Clock;
  log: Logger;
}

/** Our errors for what fastify refuses before a handler is reached. */
function ownError(error: unknown): unknown {
  if (error instanceof AppError || !(error instanceof Error)) return error;
  const { statusCode, code } = error as Error & { statusCode?: number; code?: string };
  if (statusCode === 413) {
    return new AppError('payload_too_large', {
      detail: `A request holds at most ${MAX_BODY_BYTES} bytes.`,
      cause: error,
    });
  }
  if (statusCode === 415) {
    return new AppError('bad_request', {
      detail: 'The body is of a type that is not understood here.',
      hint: 'Send JSON with Content-Type: application/json.',
      cause: error,
    });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    const parse = error instanceof SyntaxError || code === 'FST_ERR_CTP_INVALID_JSON_BODY';
    return new AppError('bad_request', {
      detail: parse ? 'The body is not valid JSON.' : error.message,
      cause: error,
    });
  }
  return error;
}

function sendProblem(request: FastifyRequest, reply: FastifyReply, cause: unknown, log: Logger): void {
  const error = ownError(cause);
  if (!(error instanceof AppError) || error.status >= 500) {
    log.error(
      { err: error, request_id: request.id, method: request.method, route: request.routeOptions.url },
      'a request failed',
    );
  }
  const problem = toProblem(error, request.id);
  const retryAfter = problem.context?.['retry_after'];
  if (retryAfter !== undefined) reply.header('retry-after', String(retryAfter));
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
  // As bytes: to a text fastify would add a charset, which JSON does not have.
  reply
    .code(problem.status)
    .header('content-type', PROBLEM_TYPE)
    .send(Buffer.from(JSON.stringify(problem)));
}

/** Other methods that exist at this path, for a 405. */
function methodsAt(routes: readonly Route[], path: string): string[] {
  return routes
    .filter((route) =>
      new RegExp(`^${route.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
    )
    .map((route) => route.method);
}

export function createHttpServer(options: HttpOptions): HttpServer {
  const { routes, clock, log, publicCertificate } = options;
  let server: Server | undefined;
  let ending = false;

  const withPublic = (credentials: ServerCredentials): ServerCredentials =>
    publicCertificate ? { ...publicCertificate, ca: credentials.ca } : credentials;

  const app = Fastify({
    serverFactory: (handler) => {
      server = createServer(
        {
          ...tlsServerOptions(withPublic(options.credentials), { demand: 'per-request' }),
          headersTimeout: HEADERS_TIMEOUT_MS,
          connectionsCheckingInterval: LOOK_EVERY_MS,
          requestTimeout: REQUEST_TIMEOUT_MS,
          keepAliveTimeout: KEEP_ALIVE_MS,
          noDelay: true,
        },
        handler,
      );
      server.maxHeadersCount = 0;
      return server;
    },
    bodyLimit: MAX_BODY_BYTES,
    logger: false,
    trustProxy: false,
    genReqId: () => newId('req', clock),
    routerOptions: { maxParamLength: 256 },
    forceCloseConnections: 'idle',
    clientErrorHandler: (error, socket) => refuseBroken(error, socket, clock),
    frameworkErrors: (error, request, reply) => sendProblem(request, reply, error, log),
  }) as unknown as FastifyInstance;
  if (server === undefined) throw new Error('the HTTP server was not made');
  const https: Server = server;
  const sockets = trackSockets(https);
  // A client that breaks its handshake is no event of ours.
  https.on('tlsClientError', (error, socket) => {
    log.debug({ err: error }, 'a TLS handshake failed');
    // What was to be answered would wait for the end of the handshake for ever.
    socket.destroy();
  });
  if (publicCertificate) https.addContext(AGENT_SNI, secureContext(options.credentials));

  // Bytes of a file: the handler reads them as they come, so no limit of whole bodies holds for them.
  app.addContentTypeParser(BYTES, (_request, payload, done) => done(null, payload));
  const parseBody = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (nestsDeeper(String(body)))
      return done(new AppError('bad_request', { detail: 'The body is nested too deeply.' }));
    return parseBody(request, String(body), done);
  });
  app.addHook('onRequest', async (request, reply) => {
    refuseManyHeaders(request.raw);
    reply.headers(securityHeaders({ hsts: publicCertificate !== undefined }));
    reply.headers(API_HEADERS);
    reply.header('x-request-id', request.id);
  });
  app.addHook('preParsing', async (request, _reply, payload) => {
    if (request.headers['content-type']?.startsWith(BYTES)) return payload;
    const { raw } = request;
    // Nobody reads on where there is no body, so its end is not heard of: the answer may take longer.
    const timer = clock.setTimer(DOCUMENT_TIMEOUT_MS, () => !raw.complete && raw.socket.destroy(), {
      background: true,
    });
    payload.once('close', () => timer.cancel()).once('end', () => timer.cancel());
    return payload;
  });
  app.addHook('onResponse', async (request, reply) => {
    cutUnread(request.raw, clock);
    // A connection that was kept for a next request would hold up the end of the server.
    if (ending) setImmediate(() => https.closeIdleConnections());
    log.debug(
      {
        request_id: request.id,
        method: request.method,
        route: request.routeOptions.url,
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    );
  });
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error, log));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const methods = methodsAt(routes, path);
    if (methods.length > 0) reply.header('allow', methods.join(', '));
    const error =
      methods.length > 0
        ? new AppError('method_not_allowed', {
            detail: `${request.method} is not allowed here.`,
            hint: `Allowed: ${methods.join(', ')}.`,
          })
        : new AppError('not_found', { detail: `There is nothing at ${path.slice(0, 200)}.` });
    sendProblem(request, reply, error, log);
  });
  // What limits must be there before the routes that it limits.
  app.register(async (scope) => {
    if (options.requestRate) await limitRequests(scope, options.requestRate);
    for (const route of routes) mountRoute(scope, route, options);
  });

  return {
    server: https,
    async listen({ host, port }) {
      await app.ready();
      await new Promise<void>((resolve, reject) => {
        https.once('error', reject);
        https.listen(port, host, () => {
          https.off('error', reject);
          resolve();
        });
      });
      return https.address() as AddressInfo;
    },
    useCredentials(credentials) {
      if (publicCertificate) https.addContext(AGENT_SNI, secureContext(credentials));
      else https.setSecureContext(secureContext(credentials));
    },
    async close(hard) {
      const end = () => {
        https.closeAllConnections();
        sockets.end();
      };
      hard.addEventListener('abort', end, { once: true });
      try {
        // We listen ourselves, so fastify does not know that there is something to close.
        ending = true;
        const closed = new Promise((resolve) => https.close(resolve));
        https.closeIdleConnections();
        sockets.endIdle();
        if (hard.aborted) end();
        await app.close();
        await closed;
      } finally {
        hard.removeEventListener('abort', end);
      }
    },
  };
}
