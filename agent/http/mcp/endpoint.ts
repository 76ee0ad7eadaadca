import type { IncomingMessage, ServerResponse } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import {
  type AuthInfo,
  createMcpHandler,
  isLegacyRequest,
  type McpServerFactory,
  type ServerNotifier,
} from '@modelcontextprotocol/server';
import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/logger.ts';
import type { Caller } from '../../tools/tool.ts';
import { type Exchange, McpSessions } from './sessions.ts';

/** A file that `write_file` takes at once, with room for its quoting. */
const MAX_BODY = 16 * 1024 * 1024;

/** What a handler finds in `ctx.http.authInfo.extra`. */
export interface CallOrigin {
  caller: Caller;
  /** Aborted when the HTTP exchange is over, in whatever way. */
  gone: AbortSignal;
}

export interface McpEndpoint {
  /** Serves one request of a caller who has been admitted. */
  handle(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void>;
  /** Tells those who listen that a list has changed. */
  notify: ServerNotifier;
  close(): Promise<void>;
}

/**
 * Both eras of the protocol on one path: revision 2026-07-28, where each request stands alone, and those of 2025 with
 * sessions. Who may call is settled before; nothing here checks it again.
 */
export function createEndpoint(options: {
  clock: Clock;
  log: Logger;
  factory: McpServerFactory;
}): McpEndpoint {
  const { clock, log, factory } = options;
  const onError = (error: Error) => log.debug({ err: error }, 'an MCP request could not be served');
  const modern = createMcpHandler(factory, {
    legacy: 'reject',
    onerror: onError,
    maxRequestBodySize: MAX_BODY,
  });
  const sessions = new McpSessions({ clock, factory, onError, maxBody: MAX_BODY });
  const exchanges = new WeakMap<AuthInfo, Exchange>();
  const serve = toNodeHandler(
    {
      async fetch(request, { authInfo } = {}) {
        const exchange = authInfo && exchanges.get(authInfo);
        if (authInfo === undefined || exchange === undefined) throw new Error('a request without a caller');
        const legacy = await isLegacyRequest(request, undefined, { maxRequestBodySize: MAX_BODY });
        return legacy ? sessions.fetch(request, exchange) : modern.fetch(request, { authInfo });
      },
    },
    { onerror: onError, maxRequestBodySize: MAX_BODY },
  );
  return {
    notify: modern.notify,
    async handle(request, response, caller) {
      const gone = new AbortController();
      response.once('close', () => gone.abort(new Error('the client has gone')));
      const origin: CallOrigin = { caller, gone: gone.signal };
      const authInfo: AuthInfo = { token: '', clientId: caller.id, scopes: [], extra: { origin } };
      exchanges.set(authInfo, {
        callerId: caller.id,
        authInfo,
        onClose: (fn) => response.once('close', fn),
      });
      // A request that a server received has both.
      const received = request as IncomingMessage & { method: string; url: string };
      response.setHeader('X-Accel-Buffering', 'no');
      response.setHeader('Cache-Control', 'no-store');
      await serve(Object.assign(received, { auth: authInfo }), response);
    },
    async close() {
      await Promise.all([sessions.close(), modern.close()]);
    },
  };
}
