import { X509Certificate } from 'node:crypto';
import { moduleLogger } from '../base/logger.ts';
import { CLOSE } from '../protocol/version.ts';
import type { AgentOptions } from './agent-options.ts';
import type { Closed } from './channel/connection.ts';
import { saysCertificateEnded } from './channel/failure.ts';
import type { Health } from './health.ts';
import { CONDITION } from './http/health.ts';
import { checkOwnCertificate, fingerprintOf, parseCertificates } from './identity/certificates.ts';
import { type Credentials, readCredentials, replaceCertificate } from './identity/credentials.ts';
import { createCsr } from './identity/csr.ts';
import { askToComeBack } from './identity/recovery.ts';
import { validityOf } from './identity/renewal.ts';
import { startWayBack } from './identity/way-back.ts';

/** What keeps a machine out, and what ends it: its quarantine, and a certificate that ended while it slept. */
export interface Admission {
  /** A connection is over, or was never made. */
  ended(closed: Closed): void;
  /** Whether the orchestrator has welcomed this agent. */
  connection(welcomed: boolean): void;
  /** A new certificate is on disk: connect with it. */
  renewed(credentials: Credentials): Promise<void>;
}

const NOTHING = 'nothing keeps this machine out';

export function startAdmission(
  options: Pick<AgentOptions, 'layout' | 'clock' | 'random' | 'log' | 'config'> & {
    health: Health;
    /** Of the channel. */
    url: string;
    current(): Credentials;
    use(credentials: Credentials): void;
    /** Connects beside the present connection, with the credentials in use; false: it failed. */
    reconnect(): Promise<boolean>;
  },
  signal: AbortSignal,
): Admission {
  const { layout, clock, random, health, current, url } = options;
  const { proxy } = options.config.orchestrator;
  const onStatus = health.define(CONDITION.admission, 'degraded', 'nothing is known yet');
  onStatus(true, NOTHING);
  async function renewed(credentials: Credentials): Promise<void> {
    options.use(credentials);
    if (!(await options.reconnect()))
      options.log.warn('the renewed certificate is used from the next connection on');
  }
  const wayBack = startWayBack(
    {
      clock,
      random,
      log: moduleLogger(options.log, 'identity'),
      endMs: () => validityOf(current().certificate).notAfterMs,
      isConnected: () => health.isOk(CONDITION.websocket),
      async ask() {
        const own = current();
        return askToComeBack({
          websocketUrl: url,
          agentId: own.agentId,
          roots: own.roots,
          ended: own,
          endedMs: validityOf(own.certificate).notAfterMs,
          csr: await createCsr(own.key, own.vmId),
          clock,
          proxy,
        });
      },
      async install({ certificate, ca_certificate }, serverMs) {
        const own = current();
        // By the clock that counts: a machine whose own one is wrong comes back all the same, and says so.
        checkOwnCertificate({
          certificate,
          roots: own.roots.map((pem) => new X509Certificate(pem)),
          key: own.key,
          agentId: own.agentId,
          nowMs: serverMs,
        });
        const pinned = parseCertificates(ca_certificate).some((each) =>
          own.trust.caPins.roots.includes(fingerprintOf(each)),
        );
        const ca = pinned && ca_certificate.trim() !== own.ca.trim() ? { ca: ca_certificate } : {};
        await replaceCertificate(layout, { certificate, ...ca });
        await renewed(await readCredentials(layout));
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
          `waiting for an operator to admit this machine; run: vm-orchestrator agents admit ${current().vmId} (${closed.reason})`,
        );
    },
    connection(welcomed) {
      if (welcomed) onStatus(true, NOTHING);
    },
    renewed,
  };
}
