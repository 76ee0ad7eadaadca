import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import { Channel } from '../../../agent/channel/channel.ts';
import { dial } from '../../../agent/channel/dial.ts';
import type { SessionHandlers } from '../../../agent/channel/session.ts';
import { isoTime, systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { type CommandResult, commandPayloadSchema } from '../../../protocol/command.ts';
import type { Hello } from '../../../protocol/messages.ts';
import { fakeFacts, fakeHello } from '../../fakes/facts.ts';
import { residentBytes } from '../support/memory.ts';
import type { StormAgent } from './storm-identities.ts';

/** What this process says of its agents, four times a second. */
export interface StormReport {
  online: number;
  /**
   * Since the last report: when a connection was due, and when one was welcomed (ms since the epoch). Due, since thousands
   * of agents in one process keep each other waiting, which on machines of their own they do not.
   */
  attempts: number[];
  welcomes: number[];
  /** Commands that ran, since the start. */
  executions: number;
  /** Commands that ran twice. */
  doubled: number;
  rssBytes: number;
}

// Agents by the thousand: the real channel, session and way to connect; only what they run is left out. Each keeps in
// memory what a real one keeps in its journal.

// Each makes its TLS context once, and not for each attempt: 3 ms do not matter to an agent on a machine of its own, but
// thousands on one machine would have time for nothing else, and their attempts would come late.
const contexts = new Map<unknown, tls.SecureContext>();
const { createSecureContext } = tls;
Object.assign(tls, {
  createSecureContext(options: tls.SecureContextOptions = {}) {
    const context = contexts.get(options.cert) ?? createSecureContext(options);
    contexts.set(options.cert, context);
    return context;
  },
});

const [, , file = '', url = ''] = process.argv;
const { organizationId, ca, agents } = JSON.parse(readFileSync(file, 'utf8')) as {
  organizationId: string;
  ca: string;
  agents: StormAgent[];
};
let [online, executions, doubled] = [0, 0, 0];
let [attempts, welcomes]: [number[], number[]] = [[], []];

/** How many may connect at once at the very beginning, which is not what is measured. */
const AT_ONCE = 16;
const TELL_MS = 250;
const IDLE = { uptime_s: 1, load1: 0, memory_used: 0, agent_rss_bytes: 0 };

function startAgent({ agentId, vmId, cert, key }: StormAgent): Promise<void> {
  const open = new Map<string, CommandResult>();
  const seen = new Set<number>();
  let mark = 0;
  const first = Promise.withResolvers<void>();
  const handlers: SessionHandlers = {
    onCommand({ envelope }) {
      const payload = commandPayloadSchema.parse(
        JSON.parse(Buffer.from(envelope.payload, 'base64').toString()),
      );
      if (payload.seq <= mark) {
        if (!seen.has(payload.seq)) doubled += 1;
        return;
      }
      seen.add(payload.seq);
      mark = payload.seq;
      executions += 1;
      const at = isoTime(systemClock.now());
      const result: CommandResult = {
        state: 'succeeded',
        reason: 'exit',
        exit_code: 0,
        started_at: at,
        ended_at: at,
      };
      open.set(payload.command_id, result);
      channel.session.sendResult(payload.command_id, result);
    },
    onResultsAcknowledged: (ids) => {
      for (const id of ids) open.delete(id);
    },
    onWelcome({ resumed }) {
      first.resolve();
      welcomes.push(systemClock.now());
      if (!resumed) for (const [id, result] of open) channel.session.sendResult(id, result);
    },
    onCancel: () => undefined,
    onInput: () => undefined,
    onOutputAck: () => undefined,
    onCredit: () => undefined,
    onAuditHead: () => undefined,
    onAuditCosign: () => undefined,
    onTrustUpdate: () => undefined,
  };
  let connected = false;
  let due = systemClock.now();
  const channel: Channel = new Channel({
    clock: {
      ...systemClock,
      sleep(ms, signal) {
        due = systemClock.now() + ms;
        return systemClock.sleep(ms, signal);
      },
    },
    random: systemRandom,
    log: silentLogger,
    url: `${url}/api/v1/agents/${vmId}/ws`,
    credentials: () => ({ ca: [ca], cert, key }),
    identity: { agentId, organizationId },
    hello: () =>
      fakeHello({
        boot_id: `boot-${vmId}`,
        machine_hash: `machine-${vmId}`,
        in_flight: [...open].map(([id, { state }]) => ({
          id: id as Hello['in_flight'][number]['id'],
          state,
          offsets: { stdout: 0, stderr: 0 },
        })),
        command_seq: mark,
        facts: fakeFacts({ hostname: vmId }),
      }),
    handlers,
    timing: () => ({ heartbeat_interval: 30, command_poll_interval: 5, websocket_retry_interval: 3600 }),
    sampleLoad: async () => IDLE,
    onStatus(up) {
      if (up !== connected) online += up ? 1 : -1;
      connected = up;
    },
    dial(...args) {
      attempts.push(due);
      return dial(...args);
    },
  });
  channel.start();
  return first.promise;
}

function tell(): void {
  const rssBytes = residentBytes(process.pid);
  process.send?.({ online, attempts, welcomes, executions, doubled, rssBytes } satisfies StormReport);
  [attempts, welcomes] = [[], []];
  systemClock.setTimer(TELL_MS, tell);
}
tell();

const waiting = [...agents];
async function startSome(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await startAgent(next);
}
await Promise.all(Array.from({ length: AT_ONCE }, startSome));
