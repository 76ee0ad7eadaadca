import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { LOCAL_API_GRANT } from '../../protocol/policy.ts';
import type { Caller } from '../tools/tool.ts';
import {
  type AuthOptions,
  type ClientCertificate,
  clientCertificate,
  isApiKey,
  isLoopback,
  shownApiKey,
} from './auth.ts';
import { FailureLimiter } from './failure-limiter.ts';

const WRONG_KEYS_A_MINUTE = 10;
const KEY_HINT =
  'Send the API key of this VM (security/api_key) as `Authorization: Bearer …` or `X-API-Key`.';

export interface CallersOptions {
  clock: Clock;
  auth(): Omit<AuthOptions, 'nowMs'>;
  /** Peers from elsewhere show a client certificate and the API key (`security.mtls`, `security.api_key_required`). */
  demands: { mtls: boolean; apiKey: boolean };
  /** The grant that the policy gives to a client, by the id in its certificate. */
  grantOf(clientId: string): string | undefined;
}

/** Settles who is calling, for every door of the HTTP interface. */
export class Callers {
  readonly #options: CallersOptions;
  readonly #limiter: FailureLimiter;

  constructor(options: CallersOptions) {
    this.#options = options;
    this.#limiter = new FailureLimiter({ clock: options.clock, allowed: WRONG_KEYS_A_MINUTE });
  }

  /** Lets those in who show the API key or a client's certificate. @throws AppError `unauthenticated` and its kind. */
  demandKnown(request: IncomingMessage): void {
    this.#credentials(request);
  }

  /** Who may use the tools, and by which grant. @throws AppError for everybody else. */
  demandCaller(request: IncomingMessage): Caller {
    const { key, certificate } = this.#credentials(request);
    const { demands, grantOf } = this.#options;
    if (!isLoopback(request.socket.remoteAddress)) {
      if (demands.mtls && certificate.kind !== 'ok')
        throw new AppError('client_certificate_required', {
          detail: 'Callers from elsewhere show a client certificate here.',
          hint: 'Use one of role `client`, or call from the VM itself; security.mtls says so.',
        });
      if (demands.apiKey && !key)
        throw new AppError('unauthenticated', {
          detail: 'Callers from elsewhere show the API key as well.',
          hint: `${KEY_HINT} security.api_key_required says so.`,
        });
    }
    if (certificate.kind !== 'ok') return { door: 'mcp', id: 'api-key', grant: LOCAL_API_GRANT };
    const grant = grantOf(certificate.id);
    if (grant !== undefined) return { door: 'mcp', id: `client:${certificate.id}`, grant };
    throw new AppError('forbidden', {
      detail: `This VM's policy grants nothing to the client "${certificate.id}".`,
      hint: 'The VM’s owner adds a grant for it to config/policy.yaml.',
    });
  }

  #credentials(request: IncomingMessage): { key: boolean; certificate: ClientCertificate } {
    const { auth, clock } = this.#options;
    const own = { ...auth(), nowMs: clock.now() };
    const certificate = clientCertificate(request.socket, own);
    if (certificate.kind === 'refused')
      throw new AppError('client_certificate_required', {
        detail: `This client certificate is refused: ${certificate.why}.`,
      });
    const shown = shownApiKey(request);
    if (shown !== undefined) this.#checkKey(shown, own.apiKey, request.socket.remoteAddress ?? '');
    if (shown === undefined && certificate.kind === 'none')
      throw new AppError('unauthenticated', { hint: KEY_HINT });
    return { key: shown !== undefined, certificate };
  }

  /**
   * An address that was wrong too often is not even compared with for the rest of the minute. On loopback the right
   * key is: there a neighbour's guesses come from the same address, and must not lock its owner out.
   */
  #checkKey(shown: string, apiKey: string | undefined, address: string): void {
    const waitS = this.#limiter.waitS(address);
    if ((waitS === undefined || isLoopback(address)) && isApiKey(shown, apiKey)) return;
    if (waitS !== undefined)
      throw new AppError('rate_limited', {
        detail: 'Too many wrong API keys came from this address.',
        hint: `Try again in ${waitS} s.`,
        context: { retry_after_s: waitS },
      });
    this.#limiter.failed(address);
    throw new AppError('unauthenticated', { detail: 'This is not the API key of this VM.', hint: KEY_HINT });
  }
}

/** What the agent's own address may be called: by its host name, or by the name in its certificate. */
export const ownNamesOf = (hostname: string, agentId: string | undefined): string[] => [
  hostname.toLowerCase(),
  ...(agentId === undefined ? [] : [`${agentId}.agent.internal`]),
];
