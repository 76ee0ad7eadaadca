import { lookup } from 'node:dns/promises';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Connection } from '../../agent/channel/connection.ts';
import { dial } from '../../agent/channel/dial.ts';
import { pollUrl } from '../../agent/channel/poll-request.ts';
import { signOfBlock } from '../../agent/channel/transport.ts';
import { type Credentials, clientCredentials } from '../../agent/identity/credentials.ts';
import type { ProxySettings } from '../../agent/identity/proxy.ts';
import type { Clock } from '../../base/clock.ts';
import { randomHex, systemRandom } from '../../base/random.ts';
import { type ClientCredentials, orchestratorTls } from '../../base/tls-client.ts';
import { AppError } from '../../protocol/errors.ts';
import type { OwnStatus } from '../../protocol/rest-registration.ts';
import { CLOSE } from '../../protocol/version.ts';
import type { Anchor } from '../../provision/ca-pin.ts';
import { fetchCa } from '../../provision/fetch-ca.ts';
import { type Answer, ask } from '../../provision/https-client.ts';
import { createOrchestrator, problemOf } from '../../provision/orchestrator.ts';

const TIMEOUT_MS = 10_000;

/** What is asked of the network. Nothing of it carries a token or a key. */
export interface Probes {
  lookup(host: string): Promise<string[]>;
  openTcp(host: string, port: number): Promise<void>;
  /** The certificates that the orchestrator offers, and its time: over a connection that nobody vouched for. */
  offer(server: URL): ReturnType<typeof fetchCa>;
  /** The one of them that a token's pin names. */
  anchor(server: URL, pin: string, caFile: string | undefined): Promise<Anchor>;
  /** Protocol and end of the certificate of a verified connection. */
  handshake(host: string, port: number, credentials: ClientCredentials): Promise<string>;
  ask(url: URL, credentials: ClientCredentials, json?: unknown): Promise<Answer>;
  ownStatus(server: URL, own: Credentials): Promise<OwnStatus>;
  /**
   * Opens the channel and closes it before anything is said, so that a running agent's session stays as it is. Resolves
   * with the sign that something on the way blocks WebSockets, or undefined when frames pass.
   */
  upgrade(own: Credentials): Promise<string | undefined>;
  /** Whether the orchestrator is reached by a poll. @throws what it was answered instead. */
  poll(own: Credentials): Promise<void>;
}

/** The way from this machine to its orchestrator. */
export interface Way extends Probes {
  /** Undefined when nothing here says where it is. */
  server(): Promise<URL | undefined>;
  /** How the server's address is given, for hints. */
  addressIs: string;
  clock: Clock;
  /** The proxy that leads there, from the configuration or the environment. */
  proxy(): Promise<ProxySettings | undefined>;
  env: Readonly<Record<string, string | undefined>>;
  own(): Promise<Credentials | undefined>;
  /** Fingerprints of the roots that are pinned, and their PEM; undefined when nothing says whom to trust. */
  trusted(): Promise<{ pins: readonly string[]; roots: readonly string[] } | undefined>;
  /** From a provisioning token: whom it names is trusted instead. */
  pin: string | undefined;
  caFile: string | undefined;
}

export function createProbes(clock: Clock, proxy: Way['proxy']): Probes {
  let offered: ReturnType<Probes['offer']> | undefined;
  const timed = (socket: { destroy(error: Error): void; once(event: 'close', fn: () => void): void }) => {
    const timer = clock.setTimer(TIMEOUT_MS, () =>
      socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
    );
    socket.once('close', () => timer.cancel());
  };
  const orchestrator = async (server: URL, pin?: string, caFile?: string) =>
    createOrchestrator({ server, clock, random: systemRandom, pin, caFile, proxy: await proxy() });
  return {
    lookup: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
    openTcp: (host, port) =>
      new Promise((resolve, reject) => {
        const socket = connect({ host, port });
        timed(socket);
        socket.once('connect', () => {
          socket.destroy();
          resolve();
        });
        socket.once('error', reject);
      }),
    offer(server) {
      offered ??= proxy().then((settings) => fetchCa({ server, clock, proxy: settings }));
      return offered;
    },
    anchor: async (server, pin, caFile) => (await orchestrator(server, pin, caFile)).anchor(),
    handshake: (host, port, credentials) =>
      new Promise((resolve, reject) => {
        const tls = orchestratorTls(credentials);
        const socket = connectTls({ host, port, ...tls, ALPNProtocols: ['http/1.1'] });
        timed(socket);
        socket.once('secureConnect', () => {
          const { valid_to: end } = socket.getPeerCertificate();
          resolve(`${socket.getProtocol()}, the chain leads to the trusted root, certificate until ${end}`);
          socket.destroy();
        });
        socket.once('error', reject);
      }),
    ask: async (url, credentials, json) =>
      ask({
        url,
        tls: orchestratorTls(credentials),
        clock,
        proxy: await proxy(),
        ...(json === undefined ? {} : { json }),
      }),
    ownStatus: async (server, own) =>
      (await orchestrator(server)).ownStatus(own.vmId, clientCredentials(own)),
    upgrade: async (own) => upgrade(own, clock, await proxy()),
    async poll(own) {
      const url = pollUrl(own.websocketUrl);
      url.search = `link=${randomHex(32)}&after=0&hold=0`;
      const tls = orchestratorTls(clientCredentials(own));
      const problem = problemOf(await ask({ url, tls, clock, proxy: await proxy() }));
      // Nobody has this link, and only an orchestrator says so.
      if (problem.code !== 'link_unknown') throw problem;
    },
  };
}

async function upgrade(
  own: Credentials,
  clock: Clock,
  proxy: ProxySettings | undefined,
): Promise<string | undefined> {
  const passes = Promise.withResolvers<undefined>();
  const connection = new Connection({
    socket: dial(own.websocketUrl, clientCredentials(own), proxy),
    echoFirst: true,
    clock,
    events: { onOpen: () => passes.resolve(undefined), onText: () => undefined },
  });
  const timer = clock.setTimer(TIMEOUT_MS, () =>
    connection.cut(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
  );
  const closed = await Promise.race([passes.promise, connection.closed]);
  timer.cancel();
  if (closed === undefined) {
    connection.close(CLOSE.goingAway, 'this was a test');
    return undefined;
  }
  // Everything on the way is well: somebody has to decide.
  if (closed.code === CLOSE.quarantined)
    throw new AppError('forbidden', {
      detail: `The orchestrator is reached, and keeps this agent in quarantine: ${closed.reason}.`,
      hint: `Why: \`vm-orchestrator agents show ${own.vmId}\`. Let it in with \`agents admit\`; if this is a copy of another machine, stop it and enroll it anew.`,
    });
  const sign = signOfBlock(closed, 0);
  if (sign === undefined) throw closed.error ?? new Error(closed.reason);
  return sign.why;
}
