import {
  type AuthInfo,
  isInitializeRequest,
  type McpServerFactory,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import type { Clock, Timer } from '../../../base/clock.ts';
import { randomHex } from '../../../base/random.ts';

/** What a request of one HTTP exchange belongs to. */
export interface Exchange {
  /** Tells callers apart: a session is its caller's alone. */
  callerId: string;
  authInfo: AuthInfo;
  onClose(fn: () => void): void;
}

interface Session {
  id: string;
  callerId: string;
  transport: WebStandardStreamableHTTPServerTransport;
  /** Exchanges under way. */
  open: number;
  usedAt: number;
}

export interface SessionOptions {
  clock: Clock;
  factory: McpServerFactory;
  onError: (error: Error) => void;
  maxBody: number;
  maxSessions?: number;
  idleMs?: number;
}

const SWEEP_MS = 60_000;

/**
 * Sessions of clients that speak a revision of 2025. With one server for each, a `notifications/cancelled` finds the
 * call that it means. An id says which session is meant and proves nothing: who uses it must be who opened it.
 */
export class McpSessions {
  readonly #options: SessionOptions;
  readonly #max: number;
  readonly #idleMs: number;
  readonly #sessions = new Map<string, Session>();
  #sweeper: Timer | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#max = options.maxSessions ?? 128;
    this.#idleMs = options.idleMs ?? 30 * 60_000;
  }

  get size(): number {
    return this.#sessions.size;
  }

  async fetch(request: Request, exchange: Exchange): Promise<Response> {
    const id = request.headers.get('mcp-session-id');
    const { authInfo } = exchange;
    if (id !== null) {
      const session = this.#sessions.get(id);
      if (session === undefined || session.callerId !== exchange.callerId)
        return refusal(
          404,
          -32_001,
          'There is no such session: it has ended, or is not yours. Initialize again.',
        );
      this.#use(session, exchange);
      return session.transport.handleRequest(request, { authInfo });
    }
    if (request.method !== 'POST') return refusal(400, -32_000, 'Mcp-Session-Id is missing.');
    let body: unknown;
    try {
      body = await request.clone().json();
    } catch {
      return refusal(400, -32_700, 'The body is not JSON.');
    }
    if (!isInitializeRequest(body))
      return refusal(400, -32_000, 'Mcp-Session-Id is missing: begin with `initialize`.');
    if (!this.#makeRoom())
      return refusal(503, -32_000, 'Too many sessions are in use. Close one and try again.');
    return this.#open(request, exchange);
  }

  async close(): Promise<void> {
    this.#sweeper?.cancel();
    await Promise.all([...this.#sessions.values()].map((session) => this.#end(session)));
  }

  async #open(request: Request, exchange: Exchange): Promise<Response> {
    const { factory, onError, maxBody, clock } = this.#options;
    const { authInfo, callerId } = exchange;
    const id = randomHex(48);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => id,
      maxRequestBodySize: maxBody,
      onsessionclosed: () => {
        this.#sessions.delete(id);
      },
    });
    const session: Session = { id, callerId, transport, open: 0, usedAt: clock.monotonic() };
    const server = await factory({ era: 'legacy', authInfo, requestInfo: request });
    await server.connect(transport);
    const ended = transport.onclose;
    transport.onclose = () => {
      this.#sessions.delete(id);
      ended?.();
    };
    transport.onerror = onError;
    this.#sessions.set(id, session);
    this.#sweeper ??= clock.setTimer(SWEEP_MS, () => this.#sweep(), { background: true });
    this.#use(session, exchange);
    const response = await transport.handleRequest(request, { authInfo });
    if (!response.ok) await this.#end(session);
    return response;
  }

  #use(session: Session, exchange: Exchange): void {
    session.open++;
    session.usedAt = this.#options.clock.monotonic();
    exchange.onClose(() => {
      session.open--;
      session.usedAt = this.#options.clock.monotonic();
    });
  }

  /** Ends the session that rested longest when there are too many. False when all of them are at work. */
  #makeRoom(): boolean {
    if (this.#sessions.size < this.#max) return true;
    const resting = [...this.#sessions.values()].filter(({ open }) => open === 0);
    const oldest = resting.sort((a, b) => a.usedAt - b.usedAt)[0];
    if (oldest === undefined) return false;
    this.#end(oldest).catch(this.#options.onError);
    return true;
  }

  #sweep(): void {
    const { clock, onError } = this.#options;
    const before = clock.monotonic() - this.#idleMs;
    for (const session of this.#sessions.values())
      if (session.open === 0 && session.usedAt < before) this.#end(session).catch(onError);
    this.#sweeper =
      this.#sessions.size === 0
        ? undefined
        : clock.setTimer(SWEEP_MS, () => this.#sweep(), { background: true });
  }

  async #end(session: Session): Promise<void> {
    this.#sessions.delete(session.id);
    await session.transport.close();
  }
}

const refusal = (status: number, code: number, message: string): Response =>
  Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status });
