// Many peers that connect and then say little or nothing: to the others nothing happens, and they are cut off.
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { connect as tlsConnect } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { AGENT_SNI } from '../../../protocol/version.ts';
import { startAgentRig } from '../../fakes/agent-rig.ts';
import { type OrchestratorProcess, startOrchestrator } from '../../integration/support/orchestrator.ts';
import { report, residentMiB } from '../support/figures.ts';
import { size } from '../support/size.ts';

const SLOW = size({ short: 200, full: 2000 });
const LOOKS = size({ short: 60, full: 500 });
const CUT_AFTER_MS = 15_000;
/** For a machine that is busy with something else. */
const PATIENCE_MS = 30_000;

interface Target {
  port: number;
  ca: string;
}

type Opener = (target: Target) => Promise<Socket>;
const HEAD =
  'POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n';

const bare: Opener = async ({ port }) => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
};
const secure: Opener = async ({ port, ca }) => {
  const socket = tlsConnect({ port, host: '127.0.0.1', ca, servername: AGENT_SNI });
  await once(socket, 'secureConnect');
  return socket;
};
const saying =
  (open: Opener, text: string | Buffer): Opener =>
  async (target) => {
    const socket = await open(target);
    socket.write(text);
    return socket;
  };

const WAYS: Readonly<Record<string, Opener>> = {
  'say nothing': bare,
  'begin a handshake': saying(bare, Buffer.from([0x16, 3, 1, 2, 0, 1, 0])),
  'ask for nothing after it': secure,
  'begin with headers': saying(secure, HEAD),
  'begin with a body': saying(secure, `${HEAD}\r\n{`),
};

/** Opens them in turns of some; resolves with when each was cut, after it was opened (ms). */
async function openAll(target: Target, count: number) {
  const ways = Object.values(WAYS);
  const lives: Promise<number>[] = [];
  const sockets: Socket[] = [];
  for (let n = 0; n < count; n += 50) {
    const turn = Array.from(
      { length: Math.min(50, count - n) },
      (_, i) => ways[(n + i) % ways.length] ?? bare,
    );
    // Who is already cut while it opens is cut.
    const opened = await Promise.allSettled(turn.map((open) => open(target)));
    for (const one of opened) {
      if (one.status === 'rejected') continue;
      const socket = one.value;
      const began = performance.now();
      socket.on('error', () => undefined);
      socket.resume();
      sockets.push(socket);
      lives.push(
        new Promise((resolve) => {
          if (socket.destroyed) resolve(0);
          socket.once('close', () => resolve(performance.now() - began));
        }),
      );
    }
  }
  return { sockets, lives };
}

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0;

async function measure(look: () => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < LOOKS; n++) {
    const began = performance.now();
    await look();
    times.push(performance.now() - began);
  }
  return times;
}

async function allCut(lives: readonly Promise<number>[]): Promise<number> {
  const late = new Promise<never>((_, reject) => {
    AbortSignal.timeout(CUT_AFTER_MS + PATIENCE_MS).addEventListener('abort', () =>
      reject(new Error('slow clients are still there')),
    );
  });
  return Math.max(...(await Promise.race([Promise.all(lives), late])));
}

const figures = (name: string, before: readonly number[], during: readonly number[], longest: number) =>
  report(name, {
    slow: SLOW,
    p99_before_ms: percentile(before, 0.99),
    p99_ms: percentile(during, 0.99),
    longest_life_s: longest / 1000,
  });

describe('[fault-16] peers that connect and say little', { concurrent: true }, () => {
  it('hold up nobody at the orchestrator, and are cut off', async () => {
    const orchestrator: OrchestratorProcess = await startOrchestrator();
    try {
      const look = async () => {
        expect((await orchestrator.call({ path: '/healthz', token: null })).status).toBe(200);
      };
      const before = await measure(look);
      const rss = residentMiB(orchestrator.pid);
      const target = { port: Number(new URL(orchestrator.url).port), ca: orchestrator.ca };
      const { lives } = await openAll(target, SLOW);
      expect(lives).toHaveLength(SLOW);
      const during = await measure(look);
      report('memory of the orchestrator', { before: rss, with_them: residentMiB(orchestrator.pid) });
      figures('slow clients at the orchestrator', before, during, await allCut(lives));
      await look();
    } finally {
      await orchestrator.stop();
    }
  });

  it('hold up nobody at an agent, who has few places, and are cut off', async () => {
    await using rig = await startAgentRig();
    const { home, server, agent } = rig;
    const port = await agent.port();
    // Before that it answers 503.
    await agent.logged((line) => line['condition'] === 'websocket' && line['ok'] === true);
    const look = async () => {
      const request = httpRequest({ port, host: '127.0.0.1', path: '/health', agent: false }).end();
      const [response] = await once(request, 'response');
      expect(response.statusCode).toBe(200);
      response.resume();
      await once(response, 'end');
    };
    const before = await measure(look);
    const rss = residentMiB(agent.pid);
    // Its certificate is an agent's, for no name that is asked for here.
    const anybody = { port, ca: home.ca.rootPem };
    const { lives } = await openAll(anybody, SLOW);
    const during = await measure(look);
    report('memory of the agent', { before: rss, with_them: residentMiB(agent.pid) });
    figures('slow clients at an agent', before, during, await allCut(lives));
    expect((await server.run(home.signer.shell('echo works'))).state).toBe('succeeded');
  });
});
