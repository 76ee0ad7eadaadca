import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Command } from 'commander';
import type { z } from 'zod';
import { toProblem } from '../../base/http-problem.ts';
import { AppError } from '../../protocol/errors.ts';
import { problemToError } from '../../protocol/problem.ts';
import type { CliDeps } from './deps.ts';

/** Flags that every subcommand speaking REST has. */
export interface ClientFlags {
  url?: string;
  apiToken?: string;
  caFile?: string;
  org: string;
  json?: true;
}

/** 2 is a wrong call, as for every subcommand. */
export const EXIT = { unreachable: 3, refused: 4, interrupted: 130, outputClosed: 141 } as const;

export const CLIENT_HELP = `
Environment:
  VM_ORCHESTRATOR_URL        address of the orchestrator, https://HOST[:PORT]
  VM_ORCHESTRATOR_API_TOKEN  API token, vmo_…
  VM_ORCHESTRATOR_CA_FILE    PEM with the orchestrator's CA, when the system does not trust it

Exit codes: 0 done, 1 failed, 2 wrong call, 3 the orchestrator cannot be reached, 4 it refused,
141 nobody reads the output any more (as in … | head).`;

export function withClientFlags(command: Command): Command {
  return command
    .option('--url <url>', 'address of the orchestrator (VM_ORCHESTRATOR_URL)')
    .option(
      '--api-token <token>',
      'API token; other users of this machine can see it, the variable VM_ORCHESTRATOR_API_TOKEN not',
    )
    .option('--ca-file <file>', "the orchestrator's CA, PEM (VM_ORCHESTRATOR_CA_FILE)")
    .option('--org <name>', 'organization, by name or id', 'default')
    .option('--json', 'print JSON for machines; an error is one problem object on stderr');
}

interface CallOptions<S extends z.ZodType | undefined> {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the organization. */
  path: string;
  query?: Readonly<Record<string, string | number | undefined>>;
  body?: unknown;
  /** Bytes of a file, instead of a body. */
  bytes?: Buffer;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
  /** What the answer must look like; without it the answer has no body. */
  answer: S;
}

export interface RestClient {
  /** What a connection of another kind needs. */
  address(path: string): { url: URL; headers: Record<string, string>; ca: string | undefined };
  call<S extends z.ZodType | undefined>(
    options: CallOptions<S>,
  ): Promise<S extends z.ZodType ? z.output<S> : undefined>;
  /** An answer to be read as it comes. @throws AppError when its status is none of these (200). */
  open(options: {
    path: string;
    query?: Readonly<Record<string, string | number | undefined>>;
    headers?: Readonly<Record<string, string>>;
    statuses?: readonly number[];
    signal?: AbortSignal;
  }): Promise<IncomingMessage>;
}

/** How long the orchestrator may be silent before an answer begins (ms). */
const ANSWER_TIMEOUT_MS = 60_000;

function unreachable(url: URL, cause: NodeJS.ErrnoException): AppError {
  const code = cause.code ?? '';
  const untrusted = /CERT|SELF_SIGNED|UNABLE_TO|ISSUER|ALTNAME/.test(code);
  return new AppError('server_unreachable', {
    detail: `${url.origin} cannot be reached: ${cause.message}.`,
    hint: untrusted
      ? 'Give the CA of the orchestrator with --ca-file or VM_ORCHESTRATOR_CA_FILE, and a name that its certificate holds.'
      : 'Check the address (--url or VM_ORCHESTRATOR_URL) and that the orchestrator runs.',
    cause,
  });
}

/** The connection ended before an answer came: it may have been taken or not. */
const wasCut = (cause: unknown): boolean =>
  cause instanceof AppError &&
  ['ECONNRESET', 'EPIPE'].includes((cause.cause as NodeJS.ErrnoException | undefined)?.code ?? '');

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

export function createRestClient(options: {
  url: URL;
  token: string;
  ca: string | undefined;
  organization: string | undefined;
}): RestClient {
  const { url, token, ca, organization } = options;
  const prefix =
    organization === undefined ? '/api/v1' : `/api/v1/organizations/${encodeURIComponent(organization)}`;

  function send(request: {
    method: string;
    path: string;
    query?: Readonly<Record<string, string | number | undefined>> | undefined;
    headers?: Readonly<Record<string, string>> | undefined;
    body?: string | Buffer | undefined;
    signal?: AbortSignal | undefined;
  }): Promise<IncomingMessage> {
    const target = new URL(prefix + request.path, url);
    for (const [name, value] of Object.entries(request.query ?? {}))
      if (value !== undefined) target.searchParams.set(name, String(value));
    return new Promise((resolve, reject) => {
      const sent = httpsRequest(
        target,
        {
          method: request.method,
          minVersion: 'TLSv1.3',
          timeout: ANSWER_TIMEOUT_MS,
          ...(ca === undefined ? {} : { ca }),
          ...(request.signal === undefined ? {} : { signal: request.signal }),
          headers: {
            accept: 'application/json',
            authorization: `Bearer ${token}`,
            ...(request.body === undefined
              ? {}
              : {
                  'content-type':
                    typeof request.body === 'string' ? 'application/json' : 'application/octet-stream',
                  'content-length': Buffer.byteLength(request.body),
                }),
            ...request.headers,
          },
        },
        resolve,
      );
      sent.on('timeout', () => sent.destroy(new Error('it did not answer in time')));
      sent.on('error', (cause) => reject(unreachable(url, cause)));
      sent.end(request.body);
    });
  }

  return {
    address: (path) => ({
      url: new URL(prefix + path, url),
      headers: { authorization: `Bearer ${token}` },
      ca,
    }),
    async call({ method = 'GET', path, query, body, bytes: file, headers, signal, answer }) {
      const request = {
        method,
        path,
        query,
        // The same for a repeat, so that what a lost answer was about is done once.
        headers: method === 'POST' ? { 'idempotency-key': randomUUID(), ...headers } : headers,
        signal,
        body: file ?? (body === undefined ? undefined : JSON.stringify(body)),
      };
      const response = await send(request).catch((cause: unknown) => {
        if (method === 'POST' && wasCut(cause)) return send(request);
        throw cause;
      });
      const bytes = await readAll(response).catch((cause: NodeJS.ErrnoException) => {
        throw unreachable(url, cause);
      });
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) throw problemToError(status, parseJson(bytes));
      if (answer === undefined) return undefined as never;
      const parsed = answer.safeParse(parseJson(bytes));
      if (parsed.success) return parsed.data as never;
      throw new AppError('bad_request', {
        detail: `${url.origin} answered something that this version does not understand.`,
        hint: 'Is it an orchestrator, and about as new as this command?',
        cause: parsed.error,
      });
    },
    async open({ statuses = [200], ...request }) {
      const response = await send({ method: 'GET', ...request });
      if (statuses.includes(response.statusCode ?? 0)) return response;
      throw problemToError(response.statusCode ?? 0, parseJson(await readAll(response)));
    },
  };
}

/** The client that the flags and the environment mean. @throws AppError `config_invalid`, `url_scheme`. */
export async function clientFor(
  deps: CliDeps,
  flags: ClientFlags,
  scope: 'organization' | 'all' = 'organization',
): Promise<RestClient> {
  const missing = (what: string, hint: string) => new AppError('config_invalid', { detail: what, hint });
  const address = flags.url ?? deps.env['VM_ORCHESTRATOR_URL'];
  if (!address) throw missing('No orchestrator was given.', 'Set VM_ORCHESTRATOR_URL, or use --url.');
  const token = flags.apiToken ?? deps.env['VM_ORCHESTRATOR_API_TOKEN'];
  if (!token) throw missing('No API token was given.', 'Set VM_ORCHESTRATOR_API_TOKEN to a vmo_… token.');
  if (!URL.canParse(address)) throw missing(`${address} is no address.`, 'Write https://HOST[:PORT].');
  const url = new URL(address);
  if (url.protocol !== 'https:') throw new AppError('url_scheme');
  const caFile = flags.caFile ?? deps.env['VM_ORCHESTRATOR_CA_FILE'];
  const ca = caFile
    ? await readFile(caFile, 'utf8').catch((cause: NodeJS.ErrnoException) => {
        throw new AppError('config_invalid', {
          detail: `The CA file ${caFile} cannot be read (${cause.code ?? 'unknown error'}).`,
          cause,
        });
      })
    : undefined;
  return createRestClient({ url, token, ca, organization: scope === 'all' ? undefined : flags.org });
}

const exitCodeOf = (error: AppError): number =>
  error.code === 'server_unreachable'
    ? EXIT.unreachable
    : error.code === 'config_invalid' || error.code === 'url_scheme'
      ? 2
      : EXIT.refused;

/** What to do, in the words of this command: a hint of the orchestrator may speak of requests. */
function hintOf({ code, hint }: AppError): string | undefined {
  if (code === 'unauthenticated')
    return 'Check VM_ORCHESTRATOR_API_TOKEN: a vmo_… token of this orchestrator that is valid; an admin makes one by api-tokens create.';
  return hint?.replace(/\bwhich=([\w-]+)/g, '--which $1');
}

/** An error as a line for people, or as one problem object (RFC 9457) for machines. */
export function printError(deps: CliDeps, error: AppError, json: boolean): void {
  const hint = hintOf(error);
  deps.stderr.write(
    json
      ? `${JSON.stringify(toProblem(error))}\n`
      : `vm-orchestrator: ${error.message}\n${hint ? `  ${hint}\n` : ''}`,
  );
}

/** Runs a subcommand's work; an error that has a message for people is printed and becomes an exit code. */
export async function reporting(
  deps: CliDeps,
  flags: Pick<ClientFlags, 'json'>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (!(cause instanceof AppError)) throw cause;
    printError(deps, cause, flags.json === true);
    deps.exitWith(exitCodeOf(cause));
  }
}
