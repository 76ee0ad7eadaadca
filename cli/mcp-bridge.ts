import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import { createParser } from 'eventsource-parser';
import { linesOf } from '../protocol/lines.ts';
import { asObject, type JsonObject, type Message, requestHeaders } from './mcp-message.ts';

export interface BridgeOptions {
  input: Readable;
  /** Takes one line. */
  output(line: string): void;
  url: URL;
  apiKey: string | undefined;
  tls: { ca?: string; cert?: string; key?: string };
}

interface Answer {
  status: number;
  session: string | undefined;
}

/**
 * MCP over stdin and stdout for clients that can neither TLS nor keys: each line is one message, and goes to the
 * agent's `/mcp` as it is. A session that the agent has lost, since it was restarted, is opened again.
 */
export class McpBridge {
  readonly #options: BridgeOptions;
  readonly #open = new Map<unknown, AbortController>();
  #session: string | undefined;
  #initialize: Message | undefined;
  #version: string | undefined;
  /** Messages that open a session go one after the other; the rest waits for them. */
  #opening: Promise<void> = Promise.resolve();

  constructor(options: BridgeOptions) {
    this.#options = options;
  }

  /** Resolves at the end of the input: what is still running is ended then. */
  async run(): Promise<void> {
    const pending = new Set<Promise<void>>();
    for await (const line of linesOf(this.#options.input)) {
      if (line.trim() === '') continue;
      const task = this.#take(line).finally(() => pending.delete(task));
      pending.add(task);
    }
    for (const abort of this.#open.values()) abort.abort();
    await Promise.all(pending);
    if (this.#session !== undefined)
      await this.#send('DELETE', undefined, () => undefined).catch(() => undefined);
  }

  async #take(line: string): Promise<void> {
    let message: Message | undefined;
    try {
      message = asObject(JSON.parse(line));
    } catch {
      // Answered below.
    }
    if (message === undefined) return this.#fail(null, -32_700, 'This line is not a JSON object.');
    if (this.#cancels(message)) return;
    const opens = message.method === 'initialize' || message.method === 'notifications/initialized';
    const before = this.#opening;
    const task = before.then(() => this.#forward(message));
    if (opens) this.#opening = task;
    await task;
  }

  /** In revision 2026-07-28 a call is cancelled by closing its stream, which only this end can do. */
  #cancels({ method, params }: Message): boolean {
    if (method !== 'notifications/cancelled' || this.#session !== undefined) return false;
    this.#open.get(params?.['requestId'])?.abort();
    return true;
  }

  async #forward(message: Message): Promise<void> {
    const { id, method } = message;
    if (method === 'initialize') {
      this.#initialize = message;
      this.#session = undefined;
    }
    let answered = false;
    const onMessage = (answer: JsonObject) => {
      if (answer['id'] === id && answer['method'] === undefined) answered = true;
      const version = asObject(answer['result'])?.['protocolVersion'];
      if (method === 'initialize' && typeof version === 'string') this.#version = version;
      this.#options.output(JSON.stringify(answer));
    };
    try {
      let { status, session } = await this.#send('POST', message, onMessage);
      if (status === 404 && this.#session !== undefined && !answered) {
        await this.#reopen();
        ({ status, session } = await this.#send('POST', message, onMessage));
      }
      if (method === 'initialize') this.#session = session;
      if (id !== undefined && method !== undefined && !answered)
        this.#fail(id, -32_000, `The agent did not answer this request (HTTP ${status}).`);
    } catch (cause) {
      if (id !== undefined && method !== undefined && !answered && !isAbort(cause))
        this.#fail(id, -32_000, describe(cause, this.#options.url));
    }
  }

  /** Begins a session as the client did, and keeps the answers, which the client has had, to itself. */
  async #reopen(): Promise<void> {
    if (this.#initialize === undefined) return;
    this.#session = undefined;
    const silent = () => undefined;
    const { session } = await this.#send('POST', this.#initialize, silent);
    this.#session = session;
    await this.#send('POST', { jsonrpc: '2.0', method: 'notifications/initialized' }, silent);
  }

  #send(
    method: 'POST' | 'DELETE',
    message: Message | undefined,
    onMessage: (answer: JsonObject) => void,
  ): Promise<Answer> {
    const { url, apiKey, tls } = this.#options;
    const abort = new AbortController();
    const id = message?.method === undefined ? undefined : message.id;
    if (id !== undefined) this.#open.set(id, abort);
    const body = message === undefined ? '' : JSON.stringify(message);
    const headers = {
      ...requestHeaders(message, { session: this.#session, version: this.#version }),
      'Content-Length': Buffer.byteLength(body),
      ...(apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` }),
    };
    const lost = message?.method !== 'initialize' && this.#session !== undefined;
    return new Promise<Answer>((resolve, reject) => {
      const options = { method, headers, signal: abort.signal, agent: false as const };
      const onResponse = (response: IncomingMessage) => {
        const status = response.statusCode ?? 0;
        // The answer about a lost session is not the client's.
        const take = status === 404 && lost ? () => undefined : onMessage;
        const session = response.headers['mcp-session-id'];
        readAnswer(response, id ?? null, take).then(
          () => resolve({ status, session: typeof session === 'string' ? session : undefined }),
          reject,
        );
      };
      const sent =
        url.protocol === 'https:'
          ? tlsRequest(url, { ...options, ...tls }, onResponse)
          : plainRequest(url, options, onResponse);
      sent.on('error', reject);
      sent.end(body);
    }).finally(() => {
      if (this.#open.get(id) === abort) this.#open.delete(id);
    });
  }

  #fail(id: unknown, code: number, message: string): void {
    this.#options.output(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } }));
  }
}

async function readAnswer(
  response: IncomingMessage,
  id: unknown,
  onMessage: (answer: JsonObject) => void,
): Promise<void> {
  response.setEncoding('utf8');
  if (response.headers['content-type']?.startsWith('text/event-stream')) {
    const parser = createParser({
      onEvent: ({ data }) => {
        const message = data === '' ? undefined : asObject(JSON.parse(data));
        if (message !== undefined) onMessage(message);
      },
    });
    for await (const piece of response) parser.feed(piece as string);
    return;
  }
  let text = '';
  for await (const piece of response) text += piece as string;
  if (text === '') return;
  let body: JsonObject | undefined;
  try {
    body = asObject(JSON.parse(text));
  } catch {
    body = undefined;
  }
  if (body?.['jsonrpc'] === '2.0') onMessage({ ...body, ...(body['id'] === null ? { id } : {}) });
  else if (id !== null)
    onMessage({ jsonrpc: '2.0', id, error: problemError(response.statusCode ?? 0, body) });
}

/** What the agent's doors say to those whom they turn away, as an error of the protocol. */
function problemError(status: number, problem: JsonObject | undefined): JsonObject {
  const { detail, hint, code } = problem ?? {};
  const words = [detail ?? `The agent answered with HTTP ${status}.`, hint].filter(
    (word) => typeof word === 'string',
  );
  return {
    code: -32_000,
    message: words.join(' '),
    data: { status, ...(code === undefined ? {} : { code }) },
  };
}

const isAbort = (cause: unknown): boolean => (cause as { name?: string } | null)?.name === 'AbortError';

function describe(cause: unknown, url: URL): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'ECONNREFUSED')
    return `No agent answers at ${url.origin}. Start it (systemctl start vm-agent), or name another with --url.`;
  if (code?.includes('CERT') || code?.includes('ISSUER') || code?.includes('SIGNATURE'))
    return `The certificate of ${url.origin} is not to be trusted (${code}). Name the CA with --ca-file.`;
  return `The agent at ${url.origin} cannot be reached: ${message}.`;
}
