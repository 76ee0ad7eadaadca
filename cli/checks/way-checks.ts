import type { X509Certificate } from 'node:crypto';
import { fingerprintOf, parseCertificates } from '../../agent/identity/certificates.ts';
import { clientCredentials } from '../../agent/identity/credentials.ts';
import { proxyFor } from '../../agent/identity/proxy.ts';
import { AppError } from '../../protocol/errors.ts';
import { checkClock } from '../../provision/clock-check.ts';
import { explainConnection } from '../../provision/http-failure.ts';
import { revokedError } from '../../provision/revoked.ts';
import { type Check, type Found, fail, ok, skipped, warn } from './check.ts';
import type { Way } from './way.ts';

interface Target {
  server: URL;
  host: string;
  port: number;
}

const NO_ADDRESS = 'nothing here says where the orchestrator is';

/** A check of the way; what the network throws is put into words. */
function step(of: Omit<Check<Way>, 'run'>, run: (target: Target, way: Way) => Promise<Found>): Check<Way> {
  return {
    ...of,
    async run(way) {
      const server = await way.server();
      if (server === undefined) return skipped(NO_ADDRESS, 'Enroll this machine with `vm-agent install`.');
      const host = server.hostname.replace(/^\[|\]$/g, '');
      try {
        return await run({ server, host, port: Number(server.port || 443) }, way);
      } catch (cause) {
        const found = explainConnection(cause, server, way.clock.now());
        const error = found.code === 'certificate_revoked' ? revokedError(found, 'This agent', false) : found;
        const proxy = proxyOf(way.env);
        const aside =
          of.id === 'tcp' && proxy !== undefined && (await way.proxy())?.url === undefined
            ? ` The agent connects directly, not through ${proxy} (orchestrator.proxy sets one).`
            : '';
        // The words are the installer's, where the address is an option.
        return fail(error.message, `${error.hint ?? ''}${aside}`.replaceAll('--server-url', way.addressIs));
      }
    },
  };
}

/** The proxy that other programs here would use, without its password. */
export function proxyOf(env: Way['env']): string | undefined {
  const name = ['https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'].find((key) => env[key]);
  const text = name === undefined ? undefined : env[name];
  return text?.replace(/\/\/[^@/]*@/, '//…@');
}

const shortly = (certificates: readonly X509Certificate[]): string =>
  certificates.map((certificate) => `${fingerprintOf(certificate).slice(0, 16)}…`).join(', ');

async function rootsOf(way: Way, server: URL): Promise<readonly string[]> {
  if (way.pin !== undefined) return [(await way.anchor(server, way.pin, way.caFile)).pem];
  return (await way.trusted())?.roots ?? [];
}

/** What must be reached first: behind a proxy it is the proxy, which knows the orchestrator's name. */
async function nextHop(server: URL, way: Way): Promise<{ host: string; port: number; through: string }> {
  const proxy = proxyFor(server, await way.proxy());
  const { hostname, port } = new URL(proxy ?? server);
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || (proxy === undefined ? 443 : 80)),
    through: proxy === undefined ? '' : 'proxy: ',
  };
}

/** Each needs those before it. */
export const WAY_CHECKS: readonly Check<Way>[] = [
  step({ id: 'dns', title: 'name' }, async ({ server }, way) => {
    const { host, through } = await nextHop(server, way);
    const addresses = await way.lookup(host);
    return ok(`${through}${host} is ${addresses.join(', ')}`);
  }),
  step({ id: 'tcp', title: 'TCP', needs: ['dns'] }, async ({ server }, way) => {
    const { host, port, through } = await nextHop(server, way);
    const started = way.clock.monotonic();
    await way.openTcp(host, port);
    return ok(`${through}port ${port} answers in ${(way.clock.monotonic() - started).toFixed(0)} ms`);
  }),
  step({ id: 'ca', title: 'CA', needs: ['tcp'] }, async ({ server }, way) => {
    if (way.pin === undefined && way.caFile !== undefined)
      return fail(
        'A CA file alone names no pin.',
        'Add the provisioning token by --token-stdin or --token-file.',
      );
    if (way.pin !== undefined) {
      const anchor = await way.anchor(server, way.pin, way.caFile);
      return ok(`the one that the token names (SHA-256 ${anchor.fingerprint.slice(0, 32)}…)`);
    }
    const trusted = await way.trusted();
    if (trusted === undefined)
      return skipped(
        'nothing here says which CA to trust',
        'Enroll this machine, or give a provisioning token by --token-stdin.',
      );
    const offer = await way.offer(server);
    const offered = offer.status === 200 ? parseCertificates(offer.pem).filter(({ ca }) => ca) : [];
    if (offered.length === 0)
      throw new AppError('server_unreachable', {
        detail: `${server.origin} answered with status ${offer.status} when asked for its CA certificate`,
        hint: 'Check that this is the address of a vm-agent orchestrator, and that no proxy answers in its place.',
      });
    if (offered.some((certificate) => trusted.pins.includes(fingerprintOf(certificate))))
      return ok(`the pinned one is offered (SHA-256 ${trusted.pins[0]?.slice(0, 32)}…)`);
    return fail(
      `${server.host} offers another CA (SHA-256 ${shortly(offered)}) than the one pinned here (${trusted.pins.map((pin) => `${pin.slice(0, 16)}…`).join(', ')}). Nothing was sent.`,
      'Find out first whether somebody is in between. If the orchestrator was set up anew, enroll this machine there: vm-agent install --force-reinstall --token-stdin, with a token of it.',
    );
  }),
  step({ id: 'clock', title: 'clock', needs: ['tcp'], after: ['ca'] }, async ({ server }, way) => {
    const { date } = await way.offer(server);
    checkClock(date, way.clock.now());
    return ok(
      date === undefined ? 'the orchestrator does not say its time' : 'agrees with the orchestrator’s',
    );
  }),
  step(
    { id: 'tls', title: 'TLS', needs: ['tcp', 'ca'], after: ['clock', 'certificate.key'] },
    async (target, way) => {
      const { server, host, port } = target;
      const own = way.pin === undefined ? await way.own() : undefined;
      const credentials = own === undefined ? { ca: await rootsOf(way, server) } : clientCredentials(own);
      if (proxyFor(server, await way.proxy()) === undefined)
        return ok(await way.handshake(host, port, credentials));
      await way.ask(new URL('/healthz', server), credentials);
      return ok('through the proxy, the chain leads to the trusted root');
    },
  ),
  step({ id: 'orchestrator', title: 'registration', needs: ['tls'] }, async ({ server }, way) => {
    const url = new URL('/api/v1/agents/register', server);
    const { status } = await way.ask(url, { ca: await rootsOf(way, server) }, {});
    // An empty registration must be refused as such: whatever else answers is no orchestrator.
    if (status === 400 || status === 422) return ok('the orchestrator takes registrations');
    throw new AppError('server_unreachable', {
      detail: `an empty registration was answered with status ${status} instead of 400`,
      hint: 'Check that this is the address of a vm-agent orchestrator, and that no proxy answers in its place.',
    });
  }),
  step(
    {
      id: 'registration',
      title: 'identity',
      needs: ['tls'],
      after: ['identity', 'certificate.key', 'certificate.validity', 'certificate.chain'],
    },
    async ({ server }, way) => {
      const own = await way.own();
      if (own === undefined) return skipped('needs this machine’s certificate: it is not enrolled');
      const { agent_id, online } = await way.ownStatus(server, own);
      return ok(`known as ${agent_id}, ${online ? 'online' : 'offline'}`);
    },
  ),
  step({ id: 'websocket', title: 'WebSocket', needs: ['registration'] }, async ({ server }, way) => {
    const own = await way.own();
    if (own === undefined) return skipped('needs this machine’s certificate: it is not enrolled');
    const blocked = await way.upgrade(own);
    if (blocked === undefined) return ok('the upgrade works, and frames pass');
    await way.poll(own);
    return warn(
      `something on the way blocks WebSockets: ${blocked}. Polls pass, so the agent works by long polling`,
      `Nothing has to be done. To spare the requests, let what is in between pass WebSockets to ${server.host}.`,
    );
  }),
];
