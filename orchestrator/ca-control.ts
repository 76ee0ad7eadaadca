import { join } from 'node:path';
import { every } from '../base/clock.ts';
import { caStatus, unconfirmedAgents } from './ca/ca-status.ts';
import type { CommandKeys } from './ca/command-keys.ts';
import { createRotation } from './ca/rotation.ts';
import type { ServerCertificate } from './ca/server-certificate.ts';
import { givenCertificate, type ShownCertificate } from './ca/shown-certificates.ts';
import { type Environment, type OpenData, publishRoot } from './data.ts';
import type { Route } from './http/route.ts';
import { caRoutes } from './http/routes/ca.ts';
import { createTrustUpdates, type TrustUpdates } from './registration/trust-updates.ts';

/** A rotation by another process is found after this time. */
const SWEEP_MS = 5000;

/** Everything that follows when roots or issuing certificates are replaced while the orchestrator runs. */
export interface CaControl {
  trust: TrustUpdates;
  routes: Route[];
  /** What makes the certificate that this orchestrator shows. */
  useCertificate(certificate: Pick<ServerCertificate, 'renew' | 'shown'>): void;
  /** The certificates that whoever connects sees: its own, and the one that it was given. */
  shown(): ShownCertificate[];
  close(): Promise<void>;
}

export function createCaControl(
  options: OpenData &
    Pick<Environment, 'clock' | 'log'> & {
      dataDir: string;
      issuingS: number;
      commandKeys: CommandKeys;
      publicCertificate: { cert: string } | undefined;
    },
): CaControl {
  const { store, clock, log, authority, organizations, dataDir } = options;
  const trust = createTrustUpdates(options);
  const { trustDomain } = authority;
  let certificate: Pick<ServerCertificate, 'renew' | 'shown'> | undefined;
  const given = options.publicCertificate && givenCertificate(options.publicCertificate.cert);
  const shown = () => [...(certificate ? [certificate.shown()] : []), ...(given ? [given] : [])];

  /** One process may have written it, another one comes to know of it. */
  async function takeOver(): Promise<void> {
    if (!(await authority.reload())) return;
    log.info(
      { bundle_version: authority.trust.version },
      'the roots of the certificate authority were changed',
    );
    await publishRoot(join(dataDir, 'ca.crt'), authority.root);
    await certificate?.renew();
    trust.changed();
  }

  const rotation = createRotation({
    ...options,
    trustDomain,
    unconfirmed: () => unconfirmedAgents(store),
    changed: takeOver,
  });
  const sweep = every(clock, SWEEP_MS, () => {
    takeOver().catch((cause: unknown) => log.error({ err: cause }, 'the roots could not be read again'));
  });
  return {
    trust,
    routes: caRoutes({
      rotation,
      organizations,
      status: () => caStatus({ store, clock, trustDomain, shown: shown() }),
    }),
    shown,
    useCertificate(used) {
      certificate = used;
    },
    async close() {
      sweep.cancel();
      await trust.idle();
    },
  };
}
