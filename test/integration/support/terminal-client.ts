import { once } from 'node:events';
import { WebSocket } from 'ws';
import { TERMINAL_SUBPROTOCOL } from '../../../protocol/terminal-codes.ts';
import type { TerminalClientMessage, TerminalServerMessage } from '../../../protocol/terminal-socket.ts';
import { AGENT_SNI } from '../../../protocol/version.ts';

type Ended = Extract<TerminalServerMessage, { type: 'ended' }>;

/** Somebody who sits at a terminal. */
export interface TerminalAtHand {
  readonly id: string;
  screen(): string;
  /** Bytes of output so far, from the terminal's beginning on. */
  readonly offset: number;
  readonly messages: readonly TerminalServerMessage[];
  type(text: string): void;
  send(message: TerminalClientMessage): void;
  /** Resolves when as many bytes have come. */
  untilOffset(bytes: number): Promise<void>;
  /** Resolves when the screen holds this. */
  until(text: string | RegExp): Promise<void>;
  message<T extends TerminalServerMessage['type']>(
    type: T,
  ): Promise<Extract<TerminalServerMessage, { type: T }>>;
  ended(): Promise<Ended>;
  closed: Promise<number>;
  /** Breaks the link without a word. */
  drop(): void;
  /** While true nothing is said to be shown. */
  deaf: boolean;
}

/** Status of a refused upgrade, and its problem. */
export interface Refusal {
  status: number;
  code: string;
}

export async function connectTerminal(
  target: { url: string; ca: string },
  options: {
    agent: string;
    org?: string;
    headers?: Record<string, string>;
    first: TerminalClientMessage;
    protocol?: string;
  },
): Promise<TerminalAtHand | Refusal> {
  const path = `/api/v1/organizations/${options.org ?? 'default'}/agents/${options.agent}/terminal`;
  const socket = new WebSocket(
    new URL(path, target.url.replace('https:', 'wss:')),
    options.protocol ?? TERMINAL_SUBPROTOCOL,
    { ca: target.ca, headers: options.headers ?? {}, perMessageDeflate: false, ...{ servername: AGENT_SNI } },
  );
  const refused = new Promise<Refusal>((resolve) =>
    socket.on('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const { code } = JSON.parse(Buffer.concat(chunks).toString()) as { code: string };
        resolve({ status: response.statusCode ?? 0, code });
      });
    }),
  );
  socket.on('error', () => undefined);
  const refusal = await Promise.race([
    once(socket, 'open').then(
      () => undefined,
      () => undefined,
    ),
    refused,
  ]);
  if (refusal !== undefined) return refusal;

  const watchers = new Set<() => void>();
  const changed = () => {
    for (const watch of [...watchers]) watch();
  };
  const until = <T>(look: () => T | undefined | false): Promise<T> =>
    new Promise((resolve) => {
      const watch = () => {
        const found = look();
        if (found === undefined || found === false) return;
        watchers.delete(watch);
        resolve(found);
      };
      watchers.add(watch);
      watch();
    });
  const messages: TerminalServerMessage[] = [];
  const chunks: Buffer[] = [];
  let offset = 0;
  const at = {
    deaf: false,
    get offset() {
      return offset;
    },
    get id() {
      const opened = messages.find((message) => message.type === 'opened');
      if (opened === undefined) throw new Error('it was not opened');
      return opened.id as string;
    },
    messages,
    screen: () => Buffer.concat(chunks).toString(),
    type: (text: string) => socket.send(Buffer.from(text)),
    send: (message: TerminalClientMessage) => socket.send(JSON.stringify(message)),
    untilOffset: (bytes: number) => until(() => offset >= bytes).then(() => undefined),
    until: (text: string | RegExp) =>
      until(() => (typeof text === 'string' ? at.screen().includes(text) : text.test(at.screen()))).then(
        () => undefined,
      ),
    message: <T extends TerminalServerMessage['type']>(type: T) =>
      until(
        () =>
          messages.find((message) => message.type === type) as
            | Extract<TerminalServerMessage, { type: T }>
            | undefined,
      ),
    ended: () => at.message('ended'),
    closed: once(socket, 'close').then(([code]) => code as number),
    drop: () => socket.terminate(),
  };
  socket.on('message', (data, isBinary) => {
    if (isBinary) {
      chunks.push(data as Buffer);
      offset += (data as Buffer).length;
      if (!at.deaf) at.send({ type: 'ack', offset });
    } else {
      const message = JSON.parse((data as Buffer).toString()) as TerminalServerMessage;
      if (message.type === 'opened') offset = message.offset;
      messages.push(message);
    }
    changed();
  });
  at.send(options.first);
  return at;
}
