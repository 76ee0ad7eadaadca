import { isIP } from 'node:net';
import { type Clock, isoTime, type Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { ServerCredentials } from '../../base/tls-server.ts';
import { renewalTime, retryTime, type Validity } from '../../protocol/renewal.ts';
import type { Authority } from './authority.ts';
import type { ShownCertificate } from './shown-certificates.ts';

export interface ServerCertificate {
  /** The first one. */
  credentials: ServerCredentials;
  /** The one that is in use now. */
  shown(): ShownCertificate;
  /** Now: what it is made of has changed. */
  renew(): Promise<void>;
  stop(): void;
}

/**
 * The certificate that agents see, and browsers too unless they are given another one. It lives in memory: each
 * start makes its own, and at half of its life it makes the next and hands it to `onRenewed`.
 */
export async function keepServerCertificate(options: {
  authority: Authority;
  /** Host of the public URL: a name or an address. */
  publicHost: string;
  clock: Clock;
  random: Random;
  log: Logger;
  onRenewed(credentials: ServerCredentials): void;
}): Promise<ServerCertificate> {
  const { authority, publicHost, clock, random, log } = options;
  const names = {
    dns: [...new Set(['localhost', ...(isIP(publicHost) === 0 ? [publicHost] : [])])],
    ips: [...new Set(['127.0.0.1', '::1', ...(isIP(publicHost) === 0 ? [] : [publicHost])])],
  };
  let timer: Timer | undefined;
  let present: Validity = { notBeforeMs: 0, notAfterMs: 0 };
  let renewsAtMs = 0;
  let stopped = false;

  const armFor = (at: number) => {
    if (stopped) return;
    renewsAtMs = at;
    timer = clock.setTimer(Math.max(at - clock.now(), 500), () => void renew(), { background: true });
  };
  async function make(): Promise<ServerCredentials> {
    await authority.renewIssuing();
    const made = await authority.issueOrchestrator(names);
    present = made;
    armFor(renewalTime(made, random()));
    return { cert: made.chain, key: made.key, ca: authority.clientRoots };
  }
  async function renew(): Promise<void> {
    try {
      options.onRenewed(await make());
      log.info('renewed the certificate of this orchestrator');
    } catch (cause) {
      const at = retryTime(clock.now(), present, random());
      log.error(
        { err: cause, again_at: isoTime(at) },
        'the certificate of this orchestrator could not be renewed; the old one stays',
      );
      armFor(at);
    }
  }
  return {
    credentials: await make(),
    shown: () => ({
      kind: 'own',
      notBeforeMs: present.notBeforeMs,
      notAfterMs: present.notAfterMs,
      renewsAtMs,
    }),
    renew() {
      timer?.cancel();
      return renew();
    },
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
