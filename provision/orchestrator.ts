import { readFile } from 'node:fs/promises';
import type { ProxySettings } from '../agent/identity/proxy.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { type ClientCredentials, orchestratorTls } from '../base/tls-client.ts';
import { AppError } from '../protocol/errors.ts';
import { problemToError } from '../protocol/problem.ts';
import type { ReleaseFile } from '../protocol/release-manifest.ts';
import {
  type OwnStatus,
  ownStatusSchema,
  type RegisterRequest,
  type RegisterResponse,
  registerResponseSchema,
} from '../protocol/rest-registration.ts';
import { type Anchor, anchorFromPin } from './ca-pin.ts';
import { checkClock } from './clock-check.ts';
import { download } from './download.ts';
import { fetchCa } from './fetch-ca.ts';
import { explainConnection } from './http-failure.ts';
import { type Answer, ask } from './https-client.ts';

export interface OrchestratorOptions {
  server: URL;
  clock: Clock;
  random: Random;
  proxy?: ProxySettings | undefined;
  /** Where to take the CA from instead of the network. */
  caFile?: string | undefined;
  /** Pin of the token; undefined when no token was given. */
  pin: string | undefined;
  /** The anchor of an earlier run on this machine. */
  installed?: () => Promise<Anchor | undefined>;
}

/** The orchestrator as the installer sees it. Everything but the first look for its CA is verified. */
export interface Orchestrator {
  /** Root certificate that the token names; found once. Nothing is sent before. */
  anchor(): Promise<Anchor>;
  register(body: RegisterRequest): Promise<RegisterResponse>;
  /** What it says about this agent, asked with the agent's own certificate. */
  ownStatus(vmId: string, credentials: ClientCredentials): Promise<OwnStatus>;
  /** Ends this agent there, as it asks itself. Done already is no error. */
  deregister(vmId: string, credentials: ClientCredentials): Promise<void>;
  /** A file below `/artifacts/`; undefined when it has none. */
  artifact(name: string): Promise<Buffer | undefined>;
  /** Streams an archive of a release to disk, and checks it. */
  download(
    file: ReleaseFile,
    path: string,
    onProgress?: (bytes: number, total: number) => void,
  ): Promise<void>;
}

const RETRIES = 5;

export function createOrchestrator(options: OrchestratorOptions): Orchestrator {
  const { server, clock } = options;
  let found: Promise<Anchor> | undefined;

  const anchor = (): Promise<Anchor> => {
    found ??= findAnchor(options);
    return found;
  };
  const send = async (
    path: string,
    extra: { json?: unknown; method?: 'DELETE'; credentials?: ClientCredentials } = {},
  ) => {
    const url = new URL(path, server);
    const tls = orchestratorTls(extra.credentials ?? { ca: [(await anchor()).pem] });
    try {
      return await ask({
        url,
        tls,
        clock,
        proxy: options.proxy,
        ...(extra.json === undefined ? {} : { json: extra.json }),
        ...(extra.method === undefined ? {} : { method: extra.method }),
      });
    } catch (cause) {
      throw explainConnection(cause, server, clock.now());
    }
  };

  return {
    anchor,
    async register(body) {
      // The same key and token are answered in the same way, so a request whose answer was lost may be sent again.
      const answer = await retrying(options, () => send('/api/v1/agents/register', { json: body }));
      return parseAnswer(answer, registerResponseSchema.parse);
    },
    async ownStatus(vmId, credentials) {
      const answer = await send(`/api/v1/agents/${vmId}/status`, { credentials });
      return parseAnswer(answer, ownStatusSchema.parse);
    },
    async deregister(vmId, credentials) {
      const answer = await send(`/api/v1/agents/${vmId}`, { method: 'DELETE', credentials });
      if (answer.status === 204) return;
      const problem = problemOf(answer);
      // A newer certificate of the same agent is another matter: then it lives on.
      if (problem.code !== 'certificate_revoked' || problem.hint?.includes('newer')) throw problem;
    },
    async artifact(name) {
      const answer = await send(`/artifacts/${name}`);
      if (answer.status === 404) return undefined;
      if (answer.status !== 200) throw problemOf(answer);
      return answer.body;
    },
    async download(file, path, onProgress) {
      const url = new URL(`/artifacts/${file.sha256}.tar.gz`, server);
      const tls = orchestratorTls({ ca: [(await anchor()).pem] });
      await download({ url, tls, clock, file, path, onProgress }).catch((cause: unknown) => {
        throw cause instanceof AppError ? cause : explainConnection(cause, server, clock.now());
      });
    },
  };
}

async function findAnchor(options: OrchestratorOptions): Promise<Anchor> {
  const { server, clock, caFile, pin } = options;
  if (pin === undefined) {
    const kept = await options.installed?.();
    if (kept !== undefined) return kept;
    throw new AppError('token_invalid', {
      detail: 'A provisioning token is needed to enroll this machine.',
      hint: 'Make one on the orchestrator (`vm-orchestrator token create`) and give it by --token-stdin or --token-file.',
    });
  }
  if (caFile !== undefined) {
    const anchor = anchorFromPin(await readCaFile(caFile), pin, caFile);
    try {
      const tls = orchestratorTls({ ca: [anchor.pem] });
      const { date } = await ask({ url: new URL('/healthz', server), tls, clock, proxy: options.proxy });
      checkClock(date, clock.now());
    } catch (cause) {
      throw explainConnection(cause, server, clock.now());
    }
    return anchor;
  }
  const offer = await fetchCa({ server, clock, proxy: options.proxy }).catch((cause: unknown) => {
    throw explainConnection(cause, server, clock.now());
  });
  if (offer.status !== 200) {
    throw new AppError('server_unreachable', {
      detail: `${server.origin} answered with status ${offer.status} when asked for its CA certificate.`,
      hint: 'Check that --server-url is the address of a vm-agent orchestrator.',
    });
  }
  const anchor = anchorFromPin(offer.pem, pin, server.origin);
  checkClock(offer.date, clock.now());
  return anchor;
}

async function readCaFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new AppError('bad_request', {
      detail: `The CA file ${path} cannot be read.`,
      hint: 'Check --ca-file, or leave it out: the CA is then fetched and compared with the token.',
      cause,
    });
  }
}

function jsonOf(answer: Answer): unknown {
  try {
    return JSON.parse(answer.body.toString('utf8'));
  } catch {
    return undefined;
  }
}

const HINTS: Partial<Record<AppError['code'], string>> = {
  token_invalid: 'Check that the whole token was copied, or make a new one: vm-orchestrator token create',
  token_used:
    'Each token enrolls as many machines as it was made for; make a new one: vm-orchestrator token create',
  token_expired: 'Make a new one: vm-orchestrator token create (--ttl makes it last longer)',
  token_revoked: 'Make a new one: vm-orchestrator token create',
  token_not_allowed: 'Make a token whose limits allow this machine, or run it where the token is allowed.',
};

/** An error answer, always with a hint. */
export function problemOf(answer: Pick<Answer, 'status' | 'body'>): AppError {
  const error = problemToError(answer.status, jsonOf({ ...answer, date: undefined }));
  // The person who installs needs the next command more than the server's own hint.
  const hint = HINTS[error.code] ?? error.hint;
  return hint === undefined
    ? error
    : new AppError(error.code, { detail: error.message, hint, context: { ...error.context } });
}

function parseAnswer<T>(answer: Answer, parse: (value: unknown) => T): T {
  if (answer.status !== 200 && answer.status !== 201) throw problemOf(answer);
  try {
    return parse(jsonOf(answer));
  } catch (cause) {
    throw new AppError('internal', {
      detail: 'The orchestrator answered with something that this version cannot read.',
      hint: 'Check that orchestrator and installer are of the same version.',
      cause,
    });
  }
}

async function retrying(
  options: Pick<OrchestratorOptions, 'clock' | 'random'>,
  attempt: () => Promise<Answer>,
): Promise<Answer> {
  for (let failures = 1; ; failures++) {
    const answer = await attempt();
    if ((answer.status !== 429 && answer.status !== 503) || failures >= RETRIES) return answer;
    // A token's own time is too long to wait for here; the answer says how long it is.
    if (problemOf(answer).code === 'token_rate_limited') return answer;
    await options.clock.sleep(options.random() * 1000 * 2 ** failures);
  }
}
