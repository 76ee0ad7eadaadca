import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { AppError } from '../../protocol/errors.ts';
import { problemToError } from '../../protocol/problem.ts';

/** Where an agent is and how it is spoken to. */
export interface AgentAddress {
  /** `https://HOST:PORT`, or `http://127.0.0.1:PORT` on the VM itself. */
  url: string;
  /** Content of the VM's `security/api_key`. */
  apiKey?: string | undefined;
  tls?:
    | {
        /** PEM of the certificates that are trusted. Without it those of the system. */
        ca?: string | readonly string[] | undefined;
        /** Name that the certificate must carry, where it is not the host of the URL. */
        servername?: string | undefined;
        /** PEM of a client certificate and its key. */
        cert?: string | undefined;
        key?: string | undefined;
      }
    | undefined;
}

export interface Exchange {
  method: 'GET' | 'POST';
  path: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  signal?: AbortSignal | undefined;
}

/** Sends a request; the answer's body is the caller's to read. @throws AppError `unavailable` when nothing answers. */
export function exchange(
  address: AgentAddress,
  { method, path, headers, body, signal }: Exchange,
): Promise<IncomingMessage> {
  const url = new URL(path, address.url);
  const { ca, servername, cert, key } = address.tls ?? {};
  const options: RequestOptions = {
    method,
    agent: false,
    headers: {
      ...headers,
      ...(address.apiKey === undefined ? {} : { authorization: `Bearer ${address.apiKey}` }),
      ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
    },
    ...(signal === undefined ? {} : { signal }),
  };
  if (url.protocol === 'https:')
    Object.assign(options, {
      ...(ca === undefined ? {} : { ca: typeof ca === 'string' ? ca : [...ca] }),
      ...(servername === undefined ? {} : { servername }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
  return new Promise((resolve, reject) => {
    const sent = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, options, resolve);
    sent.on('error', (cause: NodeJS.ErrnoException) => {
      if (signal?.aborted) return reject(signal.reason);
      reject(
        new AppError('unavailable', {
          detail: `No agent can be spoken to at ${url.origin}: ${cause.message || cause.code}.`,
          hint: 'Is it running? `vm-agent status` tells.',
          cause,
        }),
      );
    });
    sent.end(body);
  });
}

export async function readText(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += String(chunk);
  return text;
}

/** The refusal in an answer that is not what was asked for. */
export function refusal(status: number, text: string): AppError {
  try {
    return problemToError(status, JSON.parse(text));
  } catch {
    return new AppError('unavailable', {
      detail: `The agent answered with status ${status}: ${text.slice(0, 200)}`,
      hint: 'Is this an agent, and of this version?',
    });
  }
}
