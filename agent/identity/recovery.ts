import { createHash, createPrivateKey, sign } from 'node:crypto';
import { type Clock, isoTime } from '../../base/clock.ts';
import type { ClientCredentials } from '../../base/tls-client.ts';
import type { AgentId } from '../../protocol/ids.ts';
import {
  type RecoverResponse,
  type RenewResponse,
  recoverResponseSchema,
  recoveryNonceSchema,
  recoveryStatement,
} from '../../protocol/rest-registration.ts';
import { callJson } from './json-call.ts';
import type { ProxySettings } from './proxy.ts';

/** The pair whose certificate has ended, PEM. */
export interface EndedPair {
  key: string;
  certificate: string;
}

export type RecoveryOutcome =
  | { kind: 'certificate'; answer: RenewResponse; serverMs: number }
  /** An operator decides; ask again after this time. */
  | { kind: 'waiting'; detail: string; retryAfterMs: number; serverMs: number }
  /** By the orchestrator's clock the certificate counts: it is the clock of this machine that is wrong. */
  | { kind: 'not_ended'; serverMs: number };

/** `wss://host/api/v1/agents/<vm_id>/ws` → `https://host/api/v1/agents/<agent_id>/<what>`. */
export function agentUrl(websocketUrl: string, agentId: string, what: string): URL {
  const url = new URL(websocketUrl);
  url.protocol = 'https:';
  url.pathname = url.pathname.replace(/\/[^/]+\/ws\/?$/, `/${agentId}/${what}`);
  url.search = '';
  return url;
}

/**
 * Asks to come back with a certificate that has ended, by a proof of its key. The connection shows no client
 * certificate; the server is verified as ever. @throws AppError as the orchestrator says, or the network's error.
 */
export async function askToComeBack(options: {
  websocketUrl: string;
  agentId: AgentId;
  roots: ClientCredentials['ca'];
  ended: EndedPair;
  /** When that certificate ended (ms since the epoch). */
  endedMs: number;
  /** PEM; for the same key or the next one. */
  csr: string;
  clock: Clock;
  proxy?: ProxySettings | undefined;
}): Promise<RecoveryOutcome> {
  const { agentId, csr, ended, clock, proxy } = options;
  const call = { credentials: { ca: options.roots }, clock, proxy };
  const at = (what: string) => agentUrl(options.websocketUrl, agentId, what);
  const { nonce, server_time } = recoveryNonceSchema.parse(
    await callJson({ ...call, method: 'GET', url: at('recovery-nonce') }),
  );
  const serverMs = Date.parse(server_time);
  if (serverMs < options.endedMs) return { kind: 'not_ended', serverMs };
  const statement = recoveryStatement({
    agentId,
    nonce,
    csrSha256: createHash('sha256').update(csr).digest('hex'),
  });
  const signature = sign('sha256', Buffer.from(statement), createPrivateKey(ended.key)).toString('base64');
  const answer: RecoverResponse = recoverResponseSchema.parse(
    await callJson({
      ...call,
      method: 'POST',
      url: at('recover'),
      body: { certificate: ended.certificate, csr, nonce, signature },
    }),
  );
  return answer.state === 'active'
    ? { kind: 'certificate', answer, serverMs }
    : { kind: 'waiting', detail: answer.detail, retryAfterMs: answer.retry_after * 1000, serverMs };
}

const NOTABLE_SKEW_MS = 5 * 60_000;

/** What is said about a clock that is off; undefined when it is good enough. */
export function skewText(nowMs: number, serverMs: number): string | undefined {
  const skew = nowMs - serverMs;
  if (Math.abs(skew) <= NOTABLE_SKEW_MS) return undefined;
  const hours = Math.abs(skew) / 3600_000;
  const amount =
    hours < 1
      ? `${Math.round(hours * 60)} min`
      : hours < 48
        ? `${hours.toFixed(1)} h`
        : `${Math.round(hours / 24)} days`;
  return `this machine's clock says ${isoTime(nowMs)}, ${amount} ${skew > 0 ? 'ahead of' : 'behind'} the orchestrator's: set it`;
}

const CLOCK_CODES: ReadonlySet<unknown> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

/** Whether TLS failed because the orchestrator's certificate does not count at the time that this machine has. */
export const isClockFailure = (cause: unknown): boolean =>
  CLOCK_CODES.has((cause as { code?: unknown } | undefined)?.code);
