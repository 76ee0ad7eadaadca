import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import {
  answerAndCut,
  cutUnread,
  PROBLEM_TYPE,
  refuseBroken,
  refuseManyHeaders,
  toProblem,
} from '../../base/http-problem.ts';
import type { Logger } from '../../base/logger.ts';
import { type ServerCredentials, secureContext, tlsServerOptions } from '../../base/tls-server.ts';
import { AppError } from '../../protocol/errors.ts';
import { isLoopback } from './auth.ts';
import { MCP_PATH, type McpGate } from './mcp/gate.ts';
import { pathOf, type RouteOptions, route } from './routes.ts';

const TLS_HANDSHAKE = 0x16;
const FIRST_BYTE_MS = 10_000;
const MAX_CONNECTIONS = 256;

export interface AgentHttpOptions extends Omit<RouteOptions, 'port'> {
  log: Logger;
  host: string;
  port: number;
  /** Without it only plain HTTP is spoken, to loopback peers. */
  tls: ServerCredentials | undefined;
  mcp: McpGate;
}

/** The agent's one port: TLS when the first byte says so, else plain HTTP for a few questions from this machine. */
export class AgentHttpServer {
  readonly #options: AgentHttpOptions;
  readonly #http: Server;
  readonly #tcp: TcpServer;
  readonly #sockets = new Set<Socket>();
  /** Those that have not asked for anything yet, the oldest first. */
  readonly #waiting = new Map<string, Socket>();
  #tls: TlsServer | undefined;

  constructor(options: AgentHttpOptions) {
    this.#options = options;
    this.#http = createHttpServer(
      {
        // With the interval at which they are looked for, who is slow is gone within 15 s.
        requestTimeout: 12_000,
        headersTimeout: 10_000,
        keepAliveTimeout: 5000,
        connectionsCheckingInterval: 2000,
        maxHeaderSize: 16 * 1024,
        noDelay: true,
      },
      (request, response) => {
        this.#waiting.delete(nameOf(request.socket));
        response.once('finish', () => cutUnread(request, options.clock));
        this.#answer(request, response);
      },
    );
    this.#http.maxHeadersCount = 0;
    this.#http.on('clientError', (error, socket) => refuseBroken(error, socket, options.clock));
    if (options.tls !== undefined) this.#tls = this.#createTls(options.tls);
    this.#tcp = createTcpServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo | null)?.port ?? this.#options.port;
  }

  /** @throws AppError that says what to do when the port cannot be had. */
  async listen(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#tcp.once('error', reject);
      this.#tcp.listen({ host, port }, () => {
        this.#tcp.off('error', reject);
        resolve();
      });
    }).catch((cause: unknown) => {
      throw listenError(cause, host, port);
    });
    // It is handed its connections and never listens itself, which is when Node begins to hold them to their limits.
    this.#http.emit('listening');
    this.#tcp.on('error', (error) => this.#options.log.error({ err: error }, 'the local port failed'));
  }

  /** A renewed certificate counts from the next connection on. */
  replaceCredentials(credentials: ServerCredentials): void {
    if (this.#tls === undefined) this.#tls = this.#createTls(credentials);
    else this.#tls.setSecureContext(secureContext(credentials));
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
    this.#http.closeIdleConnections();
    this.#http.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #createTls(credentials: ServerCredentials): TlsServer {
    const server = createTlsServer(tlsServerOptions(credentials, { demand: 'per-request' }), (socket) =>
      this.#http.emit('connection', socket),
    );
    server.on('tlsClientError', (error, socket) => {
      this.#options.log.debug({ err: error }, 'a TLS handshake failed');
      socket.destroy();
    });
    return server;
  }

  /** Whoever holds a connection and asks for nothing makes room for who comes: idle peers lock nobody out. */
  #makeRoom(): boolean {
    if (this.#sockets.size < MAX_CONNECTIONS) return true;
    const [oldest] = this.#waiting;
    if (oldest === undefined) return false;
    const [name, socket] = oldest;
    this.#waiting.delete(name);
    this.#sockets.delete(socket);
    socket.destroy();
    return true;
  }

  #accept(socket: Socket): void {
    if (!this.#makeRoom()) {
      socket.destroy();
      return;
    }
    const name = nameOf(socket);
    this.#sockets.add(socket);
    this.#waiting.set(name, socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (this.#waiting.get(name) === socket) this.#waiting.delete(name);
    });
    socket.on('error', () => socket.destroy());
    socket.setTimeout(FIRST_BYTE_MS, () => socket.destroy());
    socket.once('data', (first: Buffer) => {
      socket.pause();
      socket.setTimeout(0);
      socket.unshift(first);
      if (first[0] !== TLS_HANDSHAKE) {
        if (!isLoopback(socket.remoteAddress)) return refusePlain(socket);
        this.#http.emit('connection', socket);
        socket.resume();
      } else if (this.#tls === undefined) socket.destroy();
      else this.#tls.emit('connection', socket);
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    try {
      refuseManyHeaders(request);
    } catch (cause) {
      this.#refuse(request, response, cause);
      return;
    }
    if (pathOf(request) === MCP_PATH) {
      this.#options.mcp
        .answer(request, response)
        .catch((cause: unknown) => this.#refuse(request, response, cause));
      return;
    }
    route(request, { ...this.#options, port: () => this.port })
      .then(({ status, type, body }) => send(request, response, status, type, body))
      .catch((cause: unknown) => this.#refuse(request, response, cause));
  }

  #refuse(request: IncomingMessage, response: ServerResponse, cause: unknown): void {
    if (!(cause instanceof AppError)) this.#options.log.error({ err: cause }, 'a request failed');
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const problem = toProblem(cause);
    const retryAfter = problem.context?.['retry_after_s'];
    if (retryAfter !== undefined) response.setHeader('Retry-After', String(retryAfter));
    if (problem.status === 401) response.setHeader('WWW-Authenticate', 'Bearer realm="vm-agent"');
    if (problem.status === 405 && !response.hasHeader('Allow')) response.setHeader('Allow', 'GET, HEAD');
    send(request, response, problem.status, PROBLEM_TYPE, `${JSON.stringify(problem)}\n`);
  }
}

/** One connection, whether as its bare socket or as the TLS one above it. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** A peer from elsewhere does not reach the HTTP parser without TLS. */
function refusePlain(socket: Socket): void {
  answerAndCut(
    socket,
    new AppError('forbidden', {
      detail: 'Plain HTTP is served to this machine alone.',
      hint: 'Use https:// on the same port.',
    }),
  );
}

function listenError(cause: unknown, host: string, port: number): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  const hints: Readonly<Record<string, string>> = {
    EADDRINUSE: `Another program listens on port ${port}: stop it (\`ss -ltnp sport = :${port}\` names it), or choose another with server.port or --port.`,
    EACCES: `Ports below 1024 need a privilege: choose a higher one with server.port or --port.`,
    EADDRNOTAVAIL: `This machine has no address ${host}: correct server.host or --host.`,
    ENOTFOUND: `The name ${host} cannot be resolved: correct server.host or --host.`,
  };
  const hint = hints[code ?? ''];
  if (hint === undefined) return cause;
  return new AppError('conflict', {
    detail: `Cannot listen on ${host}:${port} (${code}).`,
    hint,
    cause,
  });
}
