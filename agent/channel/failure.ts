import { AppError } from '../../protocol/errors.ts';
import { CLOSE } from '../../protocol/version.ts';
import type { Closed } from './connection.ts';

const WRONG_CA =
  'its certificate is not of the CA that this machine was enrolled with; something between may intercept TLS';

const BY_CODE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens at that address; is the orchestrator running, and the port right?',
  ENOTFOUND: 'its name cannot be resolved; check the address and this machine’s DNS',
  EAI_AGAIN: 'its name cannot be resolved just now; check this machine’s DNS',
  ETIMEDOUT: 'it does not answer; check routes and firewalls',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  CERT_HAS_EXPIRED: 'its certificate has expired; check both clocks, then the orchestrator’s certificate',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; check this machine’s clock',
  CERT_SIGNATURE_FAILURE: WRONG_CA,
  SELF_SIGNED_CERT_IN_CHAIN: WRONG_CA,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: WRONG_CA,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: WRONG_CA,
  DEPTH_ZERO_SELF_SIGNED_CERT: WRONG_CA,
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is not made for agents; is this address an orchestrator’s, with its port for agents?',
  ERR_PROXY_TUNNEL:
    'the proxy (orchestrator.proxy in agent_config.yaml) opens no tunnel to it; are user, password and permission right?',
  ERR_NOT_AN_ORCHESTRATOR:
    'it shows the certificate of something that is no orchestrator; it was not trusted',
  ERR_SSL_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it did not get this agent’s certificate',
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: 'it says that this agent’s certificate has expired',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: 'it does not know the CA of this agent’s certificate',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it does not speak TLS 1.3',
};

const BY_CLOSE: Readonly<Record<number, string>> = {
  [CLOSE.goingAway]: 'it is going away',
  [CLOSE.protocolError]: 'the two ends do not understand each other',
  [CLOSE.helloTimeout]: 'hello came too late',
  [CLOSE.unsupportedVersion]: 'the two ends speak no common version of the protocol; upgrade the older one',
  [CLOSE.supersededSession]:
    'another connection with this agent’s identity took its place; is the same identity in use on two machines?',
  [CLOSE.certificateEnded]: 'this agent’s certificate has ended',
  [CLOSE.certificateRevoked]: 'this agent’s certificate was revoked; an operator has to enroll it anew',
  [CLOSE.quarantined]: 'this agent is in quarantine until an operator admits it',
  [CLOSE.overloaded]: 'the orchestrator is overloaded',
  [CLOSE.deadLink]: 'the orchestrator heard nothing from this agent',
  [CLOSE.wrongAgent]: 'the two ends disagree about who this agent is',
};

/** Whether the other end says that this agent's certificate has ended: then there is another way in. */
export function saysCertificateEnded({ error, code }: Closed): boolean {
  if (code === CLOSE.certificateEnded) return true;
  const said = (error as { code?: unknown } | undefined)?.code;
  return said === 'certificate_expired' || said === 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED';
}

/** Answers and alerts that mean: this certificate does not count. */
const REFUSALS: ReadonlySet<string> = new Set([
  'client_certificate_required',
  'certificate_expired',
  'certificate_revoked',
  'wrong_agent',
  'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
  'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
  'ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED',
  'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN',
  'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
]);

/** Whether the orchestrator turned this agent's certificate down before any welcome. */
export function isRefusal({ wasOpen, error, code }: Closed): boolean {
  if (wasOpen) return false;
  if (code === CLOSE.certificateEnded || code === CLOSE.certificateRevoked) return true;
  const said = (error as { code?: unknown } | undefined)?.code;
  return typeof said === 'string' && REFUSALS.has(said);
}

/** What went wrong with a connection, in words that say what to look at. The identity is kept whatever it was. */
export function explainFailure(closed: Closed): string {
  const { error, code, reason } = closed;
  const causes = error instanceof AggregateError ? error.errors : [error];
  for (const cause of causes) {
    const known = BY_CODE[(cause as NodeJS.ErrnoException | undefined)?.code ?? ''];
    if (known !== undefined) return known;
  }
  if (error instanceof AppError)
    return `it refused the connection (${error.code}): ${error.message}${error.hint === undefined ? '' : ` ${error.hint}`}`;
  const meant = code === undefined ? undefined : BY_CLOSE[code];
  if (meant !== undefined) return reason === '' ? meant : `${meant} (${reason})`;
  return error?.message ?? (reason === '' ? `the connection ended (${code ?? 'no code'})` : reason);
}
