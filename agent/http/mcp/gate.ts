import type { IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import { AppError } from '../../../protocol/errors.ts';
import type { Caller } from '../../tools/tool.ts';
import { isLoopback, refuseForeignPages } from '../auth.ts';
import type { Callers } from '../callers.ts';

export const MCP_PATH = '/mcp';
/** GET and DELETE belong to the sessions of the revisions of 2025. */
const METHODS: readonly string[] = ['POST', 'GET', 'DELETE'];

export interface McpGateOptions {
  callers: Callers;
  ownNames(): readonly string[];
  /** Whether programs on this machine may come without TLS (`server.ssl.plain_loopback`). */
  plainLoopback: boolean;
  door: {
    handle(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void>;
  };
}

/** Who comes to `/mcp` passes here first: neither the protocol's implementation nor a tool sees anybody else. */
export class McpGate {
  readonly #options: McpGateOptions;

  constructor(options: McpGateOptions) {
    this.#options = options;
  }

  /** @throws AppError for whoever may not come in. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { callers, ownNames, plainLoopback, door } = this.#options;
    const secure = request.socket instanceof TLSSocket;
    if (!secure && !(plainLoopback && isLoopback(request.socket.remoteAddress)))
      throw new AppError('forbidden', {
        detail: '/mcp is not served over plain HTTP here.',
        hint: 'Use https:// on the same port, or `vm-agent mcp`.',
      });
    refuseForeignPages(request, ownNames());
    const caller = callers.demandCaller(request);
    if (!METHODS.includes(request.method ?? '')) {
      response.setHeader('Allow', METHODS.join(', '));
      throw new AppError('method_not_allowed', { hint: 'Use POST.' });
    }
    await door.handle(request, response, caller);
  }
}
