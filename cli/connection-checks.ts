import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { dial } from '../agent/channel/dial.ts';
import { type Credentials, clientCredentials } from '../agent/identity/credentials.ts';
import { type ProxySettings, proxyFor } from '../agent/identity/proxy.ts';
import type { Clock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { orchestratorTls } from '../base/tls-client.ts';
import { AppError } from '../protocol/errors.ts';
import { checkClock } from '../provision/clock-check.ts';
import { explainConnection } from '../provision/http-failure.ts';
import { ask } from '../provision/https-client.ts';
import { createOrchestrator, problemOf } from '../provision/orchestrator.ts';
import { revokedError } from '../provision/revoked.ts';

export interface CheckLine {
  name: string;
  result: 'ok' | 'fail' | 'skip';
  detail: string;
  hint?: string;
}

export interface ConnectionOptions {
  server: URL;
  clock: Clock;
  own: Credentials | undefined;
  caFile: string | undefined;
  pin: string | undefined;
  proxy?: ProxySettings | undefined;
}

const TIMEOUT_MS = 10_000;
const MAX_PROBLEM_BYTES = 64 * 1024;

/** The way to the orchestrator, part by part, until a part fails that the rest needs. Sends no token and no key. */
export async function* checkConnection(options: ConnectionOptions): AsyncGenerator<CheckLine> {
  const { server, clock, own } = options;
  const host = server.hostname.replace(/^\[|\]$/g, '');
  const port = Number(server.port || 443);
  const attempt = async (name: string, work: () => Promise<string>): Promise<CheckLine> => {
    try {
      return { name, result: 'ok', detail: await work() };
    } catch (cause) {
      const found = explainConnection(cause, server, clock.now());
      const error = found.code === 'certificate_revoked' ? revokedError(found, 'This agent', false) : found;
      return {
        name,
        result: 'fail',
        detail: error.message,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      };
    }
  };

  const way = proxyFor(server, options.proxy);
  // Behind a proxy it is the proxy that must be reached; it knows the orchestrator's name.
  const next = new URL(way ?? server);
  const names = await attempt(way === undefined ? 'name' : 'proxy name', async () => {
    const name = next.hostname.replace(/^\[|\]$/g, '');
    const found = await lookup(name, { all: true });
    return `${name} is ${found.map(({ address }) => address).join(', ')}`;
  });
  yield names;
  if (names.result === 'fail') return;

  const tcp = await attempt(way === undefined ? 'TCP' : 'proxy', async () => {
    const started = clock.monotonic();
    const open = way === undefined ? port : Number(next.port || 80);
    await openTcp(next.hostname.replace(/^\[|\]$/g, ''), open, clock);
    return `port ${open} answers in ${(clock.monotonic() - started).toFixed(0)} ms`;
  });
  yield tcp;
  if (tcp.result === 'fail') return;

  let roots = own?.roots;
  if (options.pin !== undefined || options.caFile !== undefined) {
    const pinned = await attempt('CA', async () => {
      if (options.pin === undefined)
        throw new AppError('bad_request', {
          detail: 'A CA file alone names no pin.',
          hint: 'Add the provisioning token by --token-stdin or --token-file.',
        });
      const { caFile, pin, proxy } = options;
      const anchor = await createOrchestrator({
        server,
        clock,
        random: systemRandom,
        caFile,
        pin,
        proxy,
      }).anchor();
      roots = [anchor.pem];
      return `the one that the token names (SHA-256 ${anchor.fingerprint.slice(0, 32)}…)`;
    });
    yield pinned;
    if (pinned.result === 'fail') return;
  }
  if (roots === undefined) {
    yield {
      name: 'TLS',
      result: 'skip',
      detail: 'nothing here says which CA to trust',
      hint: 'Enroll this machine, or give a provisioning token by --token-stdin.',
    };
    return;
  }
  const credentials = own === undefined ? { ca: roots } : clientCredentials(own);

  const { proxy } = options;
  const tls = await attempt('TLS', async () => {
    if (way === undefined) return describeTls(host, port, credentials, clock);
    await ask({ url: new URL('/healthz', server), tls: orchestratorTls(credentials), clock, proxy });
    return 'through the proxy, the chain leads to the trusted root';
  });
  yield tls;
  if (tls.result === 'fail') return;

  yield await attempt('clock', async () => {
    const { date } = await ask({
      url: new URL('/healthz', server),
      tls: orchestratorTls(credentials),
      clock,
      proxy,
    });
    checkClock(date, clock.now());
    return date === undefined ? 'the orchestrator does not say its time' : 'agrees with the orchestrator’s';
  });

  yield await attempt('registration', async () => {
    const url = new URL('/api/v1/agents/register', server);
    const { status } = await ask({ url, tls: orchestratorTls({ ca: roots ?? [] }), clock, json: {}, proxy });
    // An empty registration must be refused as such: whatever else answers is no orchestrator.
    if (status === 400 || status === 422) return 'the orchestrator takes registrations';
    throw new AppError('server_unreachable', {
      detail: `an empty registration was answered with status ${status} instead of 400`,
      hint: 'Check that this is the address of a vm-agent orchestrator, and that no proxy answers in its place.',
    });
  });

  if (own === undefined) {
    yield {
      name: 'WebSocket',
      result: 'skip',
      detail: 'needs this machine’s certificate: it is not enrolled',
    };
    return;
  }
  yield await attempt('identity', async () => {
    const orchestrator = createOrchestrator({ server, clock, random: systemRandom, pin: undefined, proxy });
    const { agent_id, online } = await orchestrator.ownStatus(own.vmId, clientCredentials(own));
    return `known as ${agent_id}, ${online ? 'online' : 'offline'}`;
  });
  yield await attempt('WebSocket', async () => {
    await upgrade(own, clock, proxy);
    return 'the upgrade works';
  });
}

function openTcp(host: string, port: number, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const timer = clock.setTimer(TIMEOUT_MS, () =>
      socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    );
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => timer.cancel());
  });
}

function describeTls(
  host: string,
  port: number,
  credentials: Parameters<typeof orchestratorTls>[0],
  clock: Clock,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host, port, ...orchestratorTls(credentials), ALPNProtocols: ['http/1.1'] });
    const timer = clock.setTimer(TIMEOUT_MS, () =>
      socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    );
    socket.once('secureConnect', () => {
      const { valid_to } = socket.getPeerCertificate();
      resolve(`${socket.getProtocol()}, the chain leads to the trusted root, certificate until ${valid_to}`);
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => timer.cancel());
  });
}

/** Opens the channel and closes it before anything is said, so that a running agent's session stays as it is. */
function upgrade(own: Credentials, clock: Clock, proxy: ProxySettings | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = dial(own.websocketUrl, clientCredentials(own), proxy);
    const timer = clock.setTimer(TIMEOUT_MS, () => socket.terminate());
    socket.once('open', () => {
      resolve();
      socket.close(1000);
    });
    socket.once('unexpected-response', (_request, response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        if (text.length > MAX_PROBLEM_BYTES) response.destroy();
      });
      response.once('close', () => {
        reject(problemOf({ status: response.statusCode ?? 0, body: Buffer.from(text) }));
        socket.terminate();
      });
    });
    socket.on('error', reject);
    socket.once('close', () => timer.cancel());
  });
}
