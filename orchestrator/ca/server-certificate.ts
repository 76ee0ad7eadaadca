import { isIP } from 'node:net';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { ServerCredentials } from '../../base/tls-server.ts';
import { RENEW_AT, RENEW_JITTER } from '../../protocol/certificate-profile.ts';
import type { Authority } from './authority.ts';

/** After a failure the next try comes this soon (ms). */
const RETRY_MS = 60 * 60_000;

/** When to renew (ms since the epoch): half of the life, give or take a tenth of it. */
export function renewalTime(life: { notBeforeMs: number; notAfterMs: number }, random: Random): number {
  const length = life.notAfterMs - life.notBeforeMs;
  return life.notBeforeMs + length * (RENEW_AT + (random() * 2 - 1) * RENEW_JITTER);
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
}): Promise<{ credentials: ServerCredentials; stop(): void }> {
  const { authority, publicHost, clock, random, log } = options;
  const names = {
    dns: [...new Set(['localhost', ...(isIP(publicHost) === 0 ? [publicHost] : [])])],
    ips: [...new Set(['127.0.0.1', '::1', ...(isIP(publicHost) === 0 ? [] : [publicHost])])],
  };
  let timer: Timer | undefined;
  let stopped = false;

  const arm = (delayMs: number) => {
    timer = clock.setTimer(Math.max(delayMs, 1000), () => void renew(), { background: true });
  };
  async function make(): Promise<ServerCredentials> {
    await authority.renewIssuing();
    const made = await authority.issueOrchestrator(names);
    if (!stopped) arm(renewalTime(made, random) - clock.now());
    return { cert: made.chain, key: made.key, ca: [authority.root] };
  }
  async function renew(): Promise<void> {
    try {
      options.onRenewed(await make());
      log.info('renewed the certificate of this orchestrator');
    } catch (cause) {
      log.error(
        { err: cause },
        'the certificate of this orchestrator could not be renewed; trying again in an hour',
      );
      if (!stopped) arm(RETRY_MS);
    }
  }
  return {
    credentials: await make(),
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
