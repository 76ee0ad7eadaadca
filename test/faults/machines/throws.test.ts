// What no program should meet and every program does: an error in the middle of a request, wherever it comes from.
import { StatementSync } from 'node:sqlite';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Route } from '../../../orchestrator/http/route.ts';
import { AgentSession } from '../../../orchestrator/hub/agent-session.ts';
import type { AgentMessage } from '../../../protocol/messages.ts';
import { AGENT_SNI, CLOSE } from '../../../protocol/version.ts';
import { FakeAgent } from '../../fakes/fake-agent.ts';
import { callAs, type Who } from '../../integration/authorization/call.ts';
import { exampleOf, pathOf, REQUESTS, UPGRADES } from '../../integration/authorization/examples.ts';
import { startWorld } from '../../integration/authorization/world.ts';
import { isFull, size } from '../support/size.ts';

const PLANTED = 'planted: no such thing should happen';
const world = await startWorld();
const lost: unknown[] = [];
const note = (cause: unknown) => void lost.push(cause);
// In place of the end of the process, which is what follows in the program.
process.on('unhandledRejection', note);
process.on('uncaughtException', note);
afterAll(async () => {
  await world.close();
  process.off('unhandledRejection', note);
  process.off('uncaughtException', note);
});
afterEach(() => expect(lost).toEqual([]));

const keyOf = ({ method, path }: Route) => `${method} ${path}`;
const ROUTES = world.routes
  .filter((route) => !UPGRADES.has(keyOf(route)))
  .map((route) => ({ name: keyOf(route), route }));

/** Who may, everywhere: the admin of the organization, of the orchestrator, or the machine itself. */
function whoFor({ auth, needs, path }: Route): Who {
  if (auth === 'none') return {};
  if (auth === 'agent') return { tls: world.mine.tls };
  return path.includes('{org}') && needs !== 'system' ? world.mine.people.admin : world.systemAdmin;
}

const call = (route: Route) =>
  callAs(world, whoFor(route), {
    method: route.method,
    path:
      pathOf(route.path, (parameter) => exampleOf(parameter, world.mine) ?? parameter) +
      (REQUESTS[keyOf(route)]?.query ?? ''),
    body: REQUESTS[keyOf(route)]?.body ?? (route.body ? {} : undefined),
  });

const THROWN: readonly (readonly [string, () => unknown])[] = [
  [
    'an error at once',
    () => {
      throw new TypeError(PLANTED);
    },
  ],
  ['a promise that fails', () => Promise.reject(new Error(PLANTED))],
  ['something that is no error', () => Promise.reject({ message: PLANTED })],
  ['nothing at all', () => Promise.reject(undefined)],
];

const reached = new Set<Route>();
describe('[fault-20] a handler that throws', () => {
  it.each(ROUTES)(
    '$name: 500 that says nothing of it, and the next request is answered',
    async ({ route }) => {
      const { handler } = route;
      for (const [what, thrower] of isFull ? THROWN : THROWN.slice(1, 3)) {
        let ran = false;
        Object.assign(route, {
          handler() {
            ran = true;
            return thrower();
          },
        });
        const { status, text } = await call(route).finally(() => Object.assign(route, { handler }));
        // What never comes to its handler is refused before.
        if (ran) expect([what, status]).toEqual([what, 500]);
        if (ran) reached.add(route);
        expect(text).not.toContain(PLANTED);
      }
      expect((await callAs(world, {}, { method: 'GET', path: '/healthz' })).status).toBe(200);
    },
  );

  it('was reached on most routes; the others refuse these examples before', () => {
    expect(reached.size).toBeGreaterThan(ROUTES.length * 0.8);
  });
});

/** The n-th statement of the store from now on fails with what no code expects. */
function failStatement(n: number): { stop(): boolean } {
  let left = n;
  const { run, get, all, iterate } = StatementSync.prototype;
  const guarded = (method: (...args: never[]) => unknown) =>
    function (this: StatementSync, ...args: never[]) {
      left -= 1;
      if (left === 0) throw new Error(PLANTED);
      return method.apply(this, args);
    };
  Object.assign(StatementSync.prototype, {
    run: guarded(run),
    get: guarded(get),
    all: guarded(all),
    iterate: guarded(iterate),
  });
  return {
    stop() {
      Object.assign(StatementSync.prototype, { run, get, all, iterate });
      return left <= 0;
    },
  };
}

describe('[fault-20] an error of the store at each statement of a request', () => {
  const READING = ROUTES.filter(
    ({ route }) => route.method === 'GET' && !/\/(events|poll)$/.test(route.path),
  );
  it.each(READING)('$name: an answer each time, and the next one is as before', async ({ route }) => {
    const before = await call(route);
    const most = size({ short: 3, full: 40 });
    for (let n = 1; n <= most; n += 1) {
      const planted = failStatement(n);
      // An answer that has begun, as that of a stream, can only be cut off.
      const cut = { status: 0, text: '' };
      const { status, text } = await call(route).catch((cause: unknown) =>
        /aborted|socket hang up|ECONNRESET/.test(String(cause)) ? cut : Promise.reject(cause),
      );
      const failed = planted.stop();
      expect(status).toBeLessThanOrEqual(599);
      expect(text).not.toContain(PLANTED);
      if (!failed) break;
    }
    expect((await call(route)).status).toBe(before.status);
  });
});

describe('[fault-20] a frame of an agent whose handling throws', () => {
  const load = { uptime_s: 1, load1: 0.1, memory_used: 0.5, agent_rss_bytes: 1 };
  const FRAMES: readonly AgentMessage[] = [
    { type: 'heartbeat', at: '2026-01-01T00:00:00.000Z', load },
    { type: 'ack', ack: 0 },
    { type: 'error', code: 'unsupported', message: 'm' },
    { type: 'trust_ack', bundle_version: 1 },
  ];
  it.each(FRAMES)('$type: the link is closed, the agent comes back in a new session', async (frame) => {
    const url = world.url.replace('https:', 'wss:');
    const agent = new FakeAgent({
      url: `${url}/api/v1/agents/${world.mine.vmId}/ws`,
      tls: { ...world.mine.tls, ca: world.ca, servername: AGENT_SNI },
    });
    const { session_id: before } = await agent.connect();
    const { receive } = AgentSession.prototype;
    AgentSession.prototype.receive = () => {
      throw new TypeError(PLANTED);
    };
    const closed = agent.closed();
    agent.sendRaw(JSON.stringify(frame));
    const { code, reason } = await closed.finally(() => {
      AgentSession.prototype.receive = receive;
    });
    expect([code, reason.includes(PLANTED)]).toEqual([CLOSE.overloaded, false]);
    // What a session had not acknowledged comes again in another one, so that nothing of it is lost.
    expect((await agent.connect()).session_id).not.toBe(before);
    await agent.drop();
  });
});
