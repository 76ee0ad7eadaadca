import { X509Certificate } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  isLate,
  issuedAt,
  RETRY_MOST_MS,
  renewalTime,
  retryTime,
  shareOf,
  type Validity,
} from '../../protocol/renewal.ts';
import type { RenewResponse } from '../../protocol/rest-registration.ts';
import { checkOwnCertificate, fingerprintOf, parseCertificates } from './certificates.ts';
import { clientCredentials } from './credentials.ts';
import type { OwnPairs } from './own-pairs.ts';
import type { ProxySettings } from './proxy.ts';
import { requestRenewal } from './renew-request.ts';

export function validityOf(certificatePem: string): Validity {
  const leaf = new X509Certificate(certificatePem);
  return { notBeforeMs: leaf.validFromDate.getTime(), notAfterMs: leaf.validToDate.getTime() };
}

/** The time that the orchestrator names with the certificate: both make it of the certificate itself. */
export function renewalTimeOf(certificatePem: string): number {
  const [leaf] = parseCertificates(certificatePem);
  return renewalTime(validityOf(certificatePem), leaf === undefined ? 0 : shareOf(fingerprintOf(leaf)));
}

/** How far the certificate and its renewal are; times in ms since the epoch. */
export interface RenewalStatus {
  validity: Validity;
  /** When it is renewed, or tried again. */
  nextTryMs: number;
  /** Why it could not be renewed, since it was last tried. */
  failure: string | undefined;
}

/** A wish to renew early; asked for several times it is still one. */
export class RenewalDue {
  #controller = new AbortController();
  #withinMs = 0;
  get signal(): AbortSignal {
    return this.#controller.signal;
  }
  ask(withinMs: number): void {
    this.#withinMs = withinMs;
    this.#controller.abort();
  }
  /** Within which time it is to be done; a later wish is another one. */
  take(): number {
    this.#controller = new AbortController();
    return this.#withinMs;
  }
}

export interface RenewalOptions {
  clock: Clock;
  random: Random;
  log: Logger;
  pairs: OwnPairs;
  proxy?: ProxySettings | undefined;
  /** Connects anew with what {@link OwnPairs.toShow} says; whether it was welcomed. */
  tryOut(): Promise<boolean>;
  /** Asked to renew before its time: another authority signs from now on. */
  due?: RenewalDue;
  onStatus(status: RenewalStatus): void;
}

/** A machine may sleep, and its clock may be set: the time is looked at again this often, or more often for a short life. */
const LOOK_MS = 5 * 60_000;

/**
 * Renews key and certificate for as long as the agent runs. A new pair is made beside the one in use, tried by a
 * connection of its own, and takes the old one's place only then.
 */
export async function renewalLoop(options: RenewalOptions, signal: AbortSignal): Promise<void> {
  const { clock, random, log, pairs, onStatus } = options;
  let failure: string | undefined;
  let { certificate } = pairs.current;
  let at = pairs.next === undefined ? renewalTimeOf(certificate) : clock.now();
  const validity = () => validityOf(pairs.current.certificate);
  await pairs.settle().catch((cause: unknown) => {
    log.error({ err: cause }, 'what an interrupted renewal left on disk could not be put in order');
  });
  for (;;) {
    if (pairs.current.certificate !== certificate) {
      // The channel had to connect anew, and the new pair was welcome.
      certificate = pairs.current.certificate;
      at = renewalTimeOf(certificate);
      failure = undefined;
    }
    if (failure !== undefined) at = notPutOff(at, clock.now());
    onStatus({ validity: validity(), nextTryMs: at, failure });
    const wait = Math.min(LOOK_MS, Math.max(0, at - clock.now()));
    const early = options.due?.signal;
    const until = early === undefined ? signal : AbortSignal.any([signal, early]);
    if (wait > 0) await clock.sleep(wait, until).catch(() => undefined);
    if (early?.aborted && !signal.aborted) {
      // A whole fleet is asked at the same moment.
      await clock.sleep(random() * (options.due?.take() ?? 0), signal).catch(() => undefined);
      at = Math.min(at, clock.now());
    }
    if (signal.aborted) return;
    if (clock.now() < at || pairs.current.certificate !== certificate) continue;
    try {
      at = await renewOnce(options);
      certificate = pairs.current.certificate;
      failure = undefined;
      log.info({ renew_at: isoTime(at) }, 'key and certificate were renewed');
    } catch (cause) {
      if (signal.aborted) return;
      at = retryTime(clock.now(), validity(), random());
      failure = cause instanceof Error ? cause.message : String(cause);
      log.warn(
        { err: cause, again_at: isoTime(at) },
        'key and certificate could not be renewed; the old ones stay',
      );
    }
  }
}

/** A try that was put off by a clock which was set back since would never come. */
export const notPutOff = (atMs: number, nowMs: number): number => Math.min(atMs, nowMs + 2 * RETRY_MOST_MS);

/** Resolves with the time of the next renewal. @throws what kept it from being made, or taken. */
async function renewOnce(options: RenewalOptions): Promise<number> {
  const { pairs, clock } = options;
  await pairs.settle();
  let told: number | undefined;
  // One that came before and was not refused waits to be tried.
  if (pairs.next?.certificate === undefined || pairs.isRefused || isOver(pairs.next.certificate, clock.now()))
    told = await obtain(options);
  const shown = pairs.next?.certificate;
  if (shown !== undefined && !(await options.tryOut()) && pairs.current.certificate !== shown)
    throw new Error(
      pairs.isRefused
        ? 'the orchestrator refused the new certificate'
        : 'no connection was made with the new certificate',
    );
  // A disk that does not take it is spoken of there; what is on it is a pair that counts, in any case.
  await pairs.settle().catch(() => undefined);
  const { certificate } = pairs.current;
  const life = validityOf(certificate);
  if (told !== undefined && told > issuedAt(life) && told < life.notAfterMs) return told;
  return renewalTimeOf(certificate);
}

/** There is nothing to be tried in a certificate that is itself past its half. */
const isOver = (certificatePem: string, now: number): boolean => now >= renewalTimeOf(certificatePem);

/** Gets a certificate for the next key; resolves with the time at which that one is to be renewed. */
async function obtain(options: RenewalOptions): Promise<number> {
  const { pairs, clock } = options;
  const refused = pairs.isRefused ? pairs.next?.certificate : undefined;
  const { key, csr } = await pairs.nextKey();
  const own = pairs.current;
  let answer: RenewResponse;
  try {
    answer = await requestRenewal({
      websocketUrl: own.websocketUrl,
      credentials: clientCredentials(own),
      csrPem: csr,
      clock,
      proxy: options.proxy,
      leftMs: validityOf(own.certificate).notAfterMs - clock.now(),
    });
  } catch (cause) {
    // The old pair counts no more than the new one did: they are shown in turn.
    if (refused !== undefined && cause instanceof AppError && cause.status === 403) pairs.offer();
    throw cause;
  }
  const [leaf] = parseCertificates(answer.certificate);
  if (leaf === undefined) throw new Error('the answer holds no certificate');
  // The old pair counts, as this answer shows, and the new one does not: the next try begins with another key.
  if (refused !== undefined && answer.certificate.trim() === refused.trim()) {
    await pairs.discard();
    throw new Error('the orchestrator refuses the certificate that it made; another one is asked for');
  }
  checkOwnCertificate({
    certificate: answer.certificate,
    roots: own.roots.map((pem) => new X509Certificate(pem)),
    key,
    agentId: own.agentId,
    nowMs: clock.now(),
  });
  // A bundle without any pinned root would leave the agent unable to trust anybody.
  const isPinned = parseCertificates(answer.ca_certificate).some((certificate) =>
    own.trust.caPins.roots.includes(fingerprintOf(certificate)),
  );
  const ca =
    isPinned && answer.ca_certificate.trim() !== own.ca.trim() ? answer.ca_certificate.trim() : undefined;
  await pairs.complete(answer.certificate.trim(), ca);
  return Date.parse(answer.renew_after);
}

/** A sentence for people, and whether all is well: it is not when the end is near and renewal fails. */
export function describeRenewal(
  { validity, nextTryMs, failure }: RenewalStatus,
  now: number,
): { ok: boolean; detail: string } {
  const end = isoTime(validity.notAfterMs);
  const next = isoTime(nextTryMs);
  if (now >= validity.notAfterMs)
    return { ok: false, detail: `ended at ${end}; it is kept and renewal is tried: ${failure ?? 'not yet'}` };
  if (failure === undefined) return { ok: true, detail: `valid until ${end}, renewed at ${next}` };
  return {
    ok: !isLate(validity, now),
    detail: `valid until ${end}; it could not be renewed and is tried again at ${next}: ${failure}`,
  };
}
