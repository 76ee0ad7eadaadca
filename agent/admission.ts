import { X509Certificate } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { type Logger, moduleLogger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { AppError } from '../protocol/errors.ts';
import { CLOSE } from '../protocol/version.ts';
import type { Closed } from './channel/connection.ts';
import { saysCertificateEnded } from './channel/failure.ts';
import type { FrozenConfig } from './config.ts';
import type { Health } from './health.ts';
import { CONDITION } from './http/health.ts';
import { checkOwnCertificate, fingerprintOf, parseCertificates } from './identity/certificates.ts';
import type { OwnPairs } from './identity/own-pairs.ts';
import { askToComeBack, type EndedPair } from './identity/recovery.ts';
import { validityOf } from './identity/renewal.ts';
import { startWayBack } from './identity/way-back.ts';

/** What keeps a machine out, and what ends it: its quarantine, and a certificate that ended while it slept. */
export interface Admission {
  /** A connection is over, or was never made. */
  ended(closed: Closed): void;
  /** Whether the orchestrator has welcomed this agent. */
  connection(welcomed: boolean): void;
}

const NOTHING = 'nothing keeps this machine out';
const endOf = (certificate: string): number => validityOf(certificate).notAfterMs;

export function startAdmission(
  options: {
    clock: Clock;
    random: Random;
    log: Logger;
    config: FrozenConfig;
    health: Health;
    /** Of the channel. */
    url: string;
    pairs: OwnPairs;
    /** Connects with what {@link OwnPairs.toShow} says; false: it was not welcomed. */
    reconnect(): Promise<boolean>;
  },
  signal: AbortSignal,
): Admission {
  const { clock, random, health, pairs } = options;
  const log = moduleLogger(options.log, 'identity');
  const onStatus = health.define(CONDITION.admission, 'degraded', 'nothing is known yet');
  onStatus(true, NOTHING);

  /** Pairs that may lead back. A new one that was tried may count already, and then the old one does not any more. */
  function ended(): EndedPair[] {
    const { current, next } = pairs;
    return next?.certificate === undefined
      ? [current]
      : [{ key: next.key, certificate: next.certificate }, current];
  }

  async function ask() {
    const { csr } = await pairs.nextKey();
    const askWith = (pair: EndedPair) =>
      askToComeBack({
        websocketUrl: options.url,
        agentId: pairs.current.agentId,
        roots: pairs.current.roots,
        ended: pair,
        endedMs: endOf(pair.certificate),
        csr,
        clock,
        proxy: options.config.orchestrator.proxy,
      });
    const [first, second] = ended();
    try {
      return await askWith(first ?? pairs.current);
    } catch (cause) {
      if (second === undefined || !(cause instanceof AppError) || cause.status !== 403) throw cause;
      return askWith(second);
    }
  }

  const wayBack = startWayBack(
    {
      clock,
      random,
      log,
      endMs: () => Math.max(...ended().map(({ certificate }) => endOf(certificate))),
      isConnected: () => health.isOk(CONDITION.websocket),
      ask,
      async install({ certificate, ca_certificate }, serverMs) {
        const { current, next } = pairs;
        // By the clock that counts: a machine whose own one is wrong comes back all the same, and says so.
        checkOwnCertificate({
          certificate,
          roots: current.roots.map((pem) => new X509Certificate(pem)),
          key: next?.key ?? current.key,
          agentId: current.agentId,
          nowMs: serverMs,
        });
        const isPinned = parseCertificates(ca_certificate).some((each) =>
          current.trust.caPins.roots.includes(fingerprintOf(each)),
        );
        const ca =
          isPinned && ca_certificate.trim() !== current.ca.trim() ? ca_certificate.trim() : undefined;
        await pairs.complete(certificate.trim(), ca);
        if (!(await options.reconnect()))
          log.warn('the new certificate is shown from the next connection on');
      },
      onStatus,
    },
    signal,
  );
  return {
    ended(closed) {
      if (saysCertificateEnded(closed)) wayBack.told();
      else if (closed.code === CLOSE.quarantined)
        onStatus(
          false,
          `waiting for an operator to admit this machine; run: vm-orchestrator agents admit ${pairs.current.vmId} (${closed.reason})`,
        );
    },
    connection(welcomed) {
      if (welcomed) onStatus(true, NOTHING);
    },
  };
}
