import type { IncomingMessage } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Clock, every } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { AppError } from '../../protocol/errors.ts';
import { TERMINAL_CLOSE, TERMINAL_SUBPROTOCOL } from '../../protocol/terminal-codes.ts';
import {
  type TerminalClientMessage,
  type TerminalServerMessage,
  terminalClientSchema,
} from '../../protocol/terminal-socket.ts';
import { DEAD_AFTER_MS, PING_INTERVAL_MS } from '../../protocol/version.ts';
import type { UpgradeDoor } from '../hub/upgrade.ts';
import type { LiveTerminal, TerminalClient } from '../terminals/live-terminal.ts';
import type { Opener } from '../terminals/open.ts';
import type { Terminals } from '../terminals/terminals.ts';
import type { AuthenticateUser, Caller } from './auth.ts';
import { organizationOf, requireNeed, requireSameOrigin } from './auth-user.ts';
import type { LiveAccess } from './live-access.ts';
import type { MountOptions } from './mount.ts';

const PATH = /^\/api\/v1\/organizations\/([^/]{1,256})\/agents\/([^/]{1,128})\/terminal$/;
/** The first message says what is wanted, within this time. */
const FIRST_MS = 10_000;
/** More than a paste is in one frame. */
const MAX_PAYLOAD = 1024 * 1024;
const NEED = 'terminal.open';

interface Gate {
  authenticateUser: AuthenticateUser;
  refuseLocked: NonNullable<MountOptions['refuseLocked']>;
}

/** Who asks, and may: the same questions that the route of this path asks. @throws AppError */
async function admit(
  request: IncomingMessage,
  { authenticateUser, refuseLocked }: Gate,
): Promise<{ caller: Caller; organizationId: Opener['organizationId']; agent: string }> {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const [, org = '', agent = ''] = PATH.exec(path) ?? [];
  const caller = await authenticateUser(request);
  // A page of another site can open a WebSocket, cookies and all; nothing but this keeps it out.
  if (caller.via === 'cookie') {
    if (request.headers.origin === undefined) throw new AppError('origin_refused');
    requireSameOrigin(request.headers);
  }
  const access = organizationOf(caller, decodeURIComponent(org));
  await refuseLocked(caller, access.id);
  requireNeed(NEED, caller, access);
  return { caller, organizationId: access.id, agent: decodeURIComponent(agent) };
}

/** Lets people in to terminals, with a session of the dashboard or an API token. */
export function terminalDoor(
  options: Gate & {
    terminals: Terminals;
    access: Pick<LiveAccess, 'watch'>;
    clock: Clock;
    log: Logger;
  },
): UpgradeDoor & { close(): void } {
  const { terminals, access, clock, log } = options;
  const sockets = new Set<WebSocket>();
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_PAYLOAD,
    handleProtocols: () => TERMINAL_SUBPROTOCOL,
  });

  function serve(webSocket: WebSocket, who: Opener, agent: string): void {
    sockets.add(webSocket);
    const client = clientOf(webSocket);
    const alive = keepAlive(webSocket, clock);
    let terminal: LiveTerminal | undefined;
    let gone = false;
    let asked = false;
    const first = clock.setTimer(
      FIRST_MS,
      () => client.close(TERMINAL_CLOSE.protocolError, 'nothing was asked for'),
      { background: true },
    );
    const refuse = (cause: unknown) => {
      if (!(cause instanceof AppError)) log.error({ err: cause }, 'a terminal could not be opened');
      const { code, message, hint } = cause instanceof AppError ? cause : new AppError('internal');
      client.send({ type: 'error', code, message, ...(hint === undefined ? {} : { hint }) });
      client.close(TERMINAL_CLOSE.refused, code);
    };
    const begin = (message: TerminalClientMessage) => {
      first.cancel();
      const wanted =
        message.type === 'open'
          ? terminals.open(who, { ...message, agent }, client)
          : message.type === 'attach'
            ? Promise.resolve().then(() => terminals.attach(who, message.id, client, message.offset))
            : Promise.reject(new AppError('bad_request', { detail: 'The first message is open or attach.' }));
      wanted.then((found) => {
        terminal = found;
        if (gone) found.detach(client, clock.monotonic());
        else if (message.type === 'attach') found.resize(message);
      }, refuse);
    };
    webSocket.on('message', (data, isBinary) => {
      if (isBinary) return terminal?.type(data as Buffer);
      const message = parse(data as Buffer);
      if (message === undefined) return client.close(TERMINAL_CLOSE.protocolError, 'not understood');
      if (!asked) {
        asked = true;
        return begin(message);
      }
      if (message.type === 'resize') terminal?.resize(message);
      else if (message.type === 'ack') terminal?.shown(message.offset);
      else if (message.type === 'close' && terminal !== undefined)
        terminals
          .close({ organizationId: who.organizationId, actor: who.actor, rules: false }, terminal.facts.id)
          .catch(() => undefined);
    });
    webSocket.on('close', () => {
      gone = true;
      sockets.delete(webSocket);
      first.cancel();
      alive.cancel();
      terminal?.detach(client, clock.monotonic());
    });
    webSocket.on('error', () => undefined);
  }

  return {
    takes: (path) => PATH.test(path),
    async upgrade(request, socket, head) {
      const { caller, organizationId, agent } = await admit(request, options);
      const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
      if (!offered.includes(TERMINAL_SUBPROTOCOL))
        throw new AppError('bad_request', {
          detail: `The subprotocol ${TERMINAL_SUBPROTOCOL} must be offered.`,
        });
      if (socket.destroyed) return;
      const who: Opener = {
        organizationId,
        actor: caller.actor,
        address: request.socket.remoteAddress ?? null,
        watch: (signal) => access.watch({ caller, organizationId, needs: NEED, signal }),
      };
      server.handleUpgrade(request, socket, head, (webSocket) => serve(webSocket, who, agent));
    },
    close() {
      for (const socket of sockets) socket.close(TERMINAL_CLOSE.stopping, 'the orchestrator is stopping');
      server.close();
    },
  };
}

const clientOf = (webSocket: WebSocket): TerminalClient => ({
  send: (message: TerminalServerMessage) => webSocket.send(JSON.stringify(message)),
  output: (bytes) => webSocket.send(bytes),
  pause: () => webSocket.pause(),
  resume: () => webSocket.resume(),
  close: (code, reason) => webSocket.close(code, reason),
});

function parse(data: Buffer): TerminalClientMessage | undefined {
  try {
    return terminalClientSchema.safeParse(JSON.parse(data.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

/** A link that is dead is noticed although nobody types. */
function keepAlive(webSocket: WebSocket, clock: Clock): { cancel(): void } {
  let heard = clock.monotonic();
  const hear = () => {
    heard = clock.monotonic();
  };
  webSocket.on('pong', hear);
  webSocket.on('message', hear);
  return every(clock, PING_INTERVAL_MS, () => {
    if (webSocket.isPaused) hear();
    if (clock.monotonic() - heard >= DEAD_AFTER_MS) webSocket.terminate();
    else webSocket.ping();
  });
}
