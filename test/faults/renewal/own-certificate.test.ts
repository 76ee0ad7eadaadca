import { readFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { connect } from 'node:tls';
import { expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { createLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { loadServeConfig } from '../../../orchestrator/config.ts';
import { bootstrap } from '../../../orchestrator/data.ts';
import { startOrchestrator } from '../../../orchestrator/orchestrator.ts';
import { AGENT_SNI } from '../../../protocol/version.ts';
import { ROOT } from '../../../scripts/lib/root.ts';
import { createTempHome } from '../../fakes/temp-home.ts';
import { ORG, readJob, submitJob } from '../../integration/support/fleet.ts';
import { followStream } from '../../integration/support/follow.ts';
import { callOrchestrator, type OrchestratorProcess } from '../../integration/support/orchestrator.ts';
import { size } from '../support/size.ts';
import { enrolledHome, isConnected } from './machine.ts';

const LIFETIMES = { issuing: 10, orchestrator: 4, agent: 3600 };
const RENEWALS = size({ short: 4, full: 30 });

/** An orchestrator in this process whose own certificates end within seconds; `renewed` resolves with the next one. */
async function startShortLived(dataDir: string) {
  const stream = new PassThrough();
  const waiting = new Set<() => void>();
  stream.on('data', (line: Buffer) => {
    if (!line.includes('renewed the certificate of this orchestrator')) return;
    for (const tell of waiting) tell();
    waiting.clear();
  });
  const log = createLogger({ name: 'test', level: 'info', stream }).log;
  const environment = {
    clock: systemClock,
    random: systemRandom,
    log,
    version: '0.0.0',
    dist: `${ROOT}/dist`,
  };
  const flags = { data: dataDir, listen: '127.0.0.1:0', store: 'sqlite', bus: 'memory' };
  const config = { ...(await loadServeConfig(flags, {})), lifetimes: LIFETIMES };
  // First: it makes the CA, with these lifetimes.
  const running = await startOrchestrator(config, environment);
  const { credentials } = await bootstrap({ dataDir, admin: config.admin, environment });
  const ca = await readFile(`${dataDir}/ca.crt`, 'utf8');
  const target: Pick<OrchestratorProcess, 'url' | 'ca' | 'call' | 'credentials'> = {
    url: running.url,
    ca,
    credentials,
    call: (call) => callOrchestrator({ url: running.url, ca }, { token: credentials.api_token, ...call }),
  };
  return {
    target,
    renewed: () => new Promise<void>((resolve) => waiting.add(resolve)),
    close: () => running.close(AbortSignal.timeout(5000)),
  };
}

/** What a new handshake meets: fingerprints of the certificate and of its issuer. Verified against the root alone. */
function meet(url: string, ca: string): Promise<{ own: string; issuer: string }> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ca, servername: AGENT_SNI }, () => {
      const certificate = socket.getPeerCertificate(true);
      resolve({ own: certificate.fingerprint256, issuer: certificate.issuerCertificate.fingerprint256 });
      socket.end();
    });
    socket.on('error', reject);
  });
}

it(`renews its own certificate ${RENEWALS} times and more, and those that sign, without a restart or a dropped agent [cert-5]`, async () => {
  await using data = await createTempHome();
  const orchestrator = await startShortLived(data.join('data'));
  try {
    const { target } = orchestrator;
    await using machine = await enrolledHome(target);
    await using agent = machine.start();
    await agent.logged(isConnected);
    const seen = [await meet(target.url, target.ca)];
    // Dates are whole seconds: of lives this short as many as four can be halved before an issuing one is.
    while (seen.length <= RENEWALS || new Set(seen.map(({ issuer }) => issuer)).size === 1) {
      await orchestrator.renewed();
      seen.push(await meet(target.url, target.ca));
    }
    expect(new Set(seen.map(({ own }) => own)).size).toBe(seen.length);
    expect(agent.log.filter(({ msg }) => String(msg).includes('was lost'))).toEqual([]);

    // The session of the beginning carries commands still.
    const { id } = await submitJob(target);
    await using events = await followStream(target, {
      path: `${ORG}/jobs/${id}/events`,
      token: target.credentials.api_token,
    });
    await events.ended;
    expect((await readJob(target, id)).commands.map(({ state }) => state)).toEqual(['succeeded']);
  } finally {
    await orchestrator.close();
  }
});
