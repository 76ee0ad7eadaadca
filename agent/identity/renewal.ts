import { X509Certificate } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { isoTime } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { DiskLayout } from '../../protocol/disk-layout.ts';
import { renewalTime, retryTime, shareOf, type Validity } from '../../protocol/renewal.ts';
import { checkOwnCertificate, fingerprintOf, parseCertificates } from './certificates.ts';
import { type Credentials, clientCredentials, readCredentials, replaceCertificate } from './credentials.ts';
import { createCsr } from './csr.ts';
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
  layout: DiskLayout;
  clock: Clock;
  random: Random;
  log: Logger;
  current(): Credentials;
  proxy?: ProxySettings | undefined;
  /** The new ones are on disk: connect with them. */
  onRenewed(credentials: Credentials): Promise<void>;
  /** Asked to renew before its time: another authority signs from now on. */
  due?: RenewalDue;
  /** Whether the present certificate counts, with a sentence for people. */
  onStatus(ok: boolean, detail: string): void;
}

/**
 * Renews the certificate for as long as the agent runs. The key stays, so only one file changes, in one step:
 * whatever is on disk after a crash is a pair that belongs together.
 */
export async function renewalLoop(options: RenewalOptions, signal: AbortSignal): Promise<void> {
  const { clock, random, log, current, onStatus } = options;
  let at = renewalTimeOf(current().certificate);
  while (!signal.aborted) {
    const validity = validityOf(current().certificate);
    const valid = clock.now() < validity.notAfterMs;
    const end = isoTime(validity.notAfterMs);
    onStatus(valid, valid ? `valid until ${end}` : `ended at ${end}; it is kept and renewal is tried`);
    const early = options.due?.signal;
    const until = early === undefined ? signal : AbortSignal.any([signal, early]);
    await clock.sleep(Math.max(0, at - clock.now()), until).catch(() => undefined);
    // A whole fleet is asked at the same moment.
    if (early?.aborted)
      await clock.sleep(random() * (options.due?.take() ?? 0), signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const { credentials, renewAfterMs } = await renewOnce(options);
      if (credentials === undefined) at = Math.max(renewAfterMs, retryTime(clock.now(), validity, random()));
      else {
        at = renewalTimeOf(credentials.certificate);
        log.info({ renew_at: isoTime(at) }, 'the certificate was renewed');
        await options.onRenewed(credentials);
      }
    } catch (cause) {
      at = retryTime(clock.now(), validity, random());
      log.warn(
        { err: cause, again_at: isoTime(at) },
        'the certificate could not be renewed; the old one stays',
      );
    }
  }
}

/** Undefined credentials: the orchestrator answered with the certificate that is here already. */
async function renewOnce(
  options: RenewalOptions,
): Promise<{ credentials: Credentials | undefined; renewAfterMs: number }> {
  const { layout, clock } = options;
  const own = options.current();
  const answer = await requestRenewal({
    websocketUrl: own.websocketUrl,
    credentials: clientCredentials(own),
    csrPem: await createCsr(own.key, own.vmId),
    clock,
    proxy: options.proxy,
  });
  const renewAfterMs = Date.parse(answer.renew_after);
  const [leaf] = parseCertificates(answer.certificate);
  const [before] = parseCertificates(own.certificate);
  if (leaf === undefined) throw new Error('the answer holds no certificate');
  if (before !== undefined && fingerprintOf(leaf) === fingerprintOf(before))
    return { credentials: undefined, renewAfterMs };
  checkOwnCertificate({
    certificate: answer.certificate,
    roots: own.roots.map((pem) => new X509Certificate(pem)),
    key: own.key,
    agentId: own.agentId,
    nowMs: clock.now(),
  });
  // A bundle without any pinned root would leave the agent unable to trust anybody.
  const pinned = parseCertificates(answer.ca_certificate).some((certificate) =>
    own.trust.caPins.roots.includes(fingerprintOf(certificate)),
  );
  const ca = pinned && answer.ca_certificate.trim() !== own.ca.trim() ? { ca: answer.ca_certificate } : {};
  await replaceCertificate(layout, { certificate: answer.certificate, ...ca });
  return { credentials: await readCredentials(layout), renewAfterMs };
}
