import { randomBytes } from 'node:crypto';
import { FrameReader } from '../../../agent/executor/frames.ts';
import { EnvelopeVerifier } from '../../../agent/policy/verify-envelope.ts';
import { systemClock } from '../../../base/clock.ts';
import { openEnvelope } from '../../../base/dsse.ts';
import { newId } from '../../../base/random.ts';
import { canonicalJson } from '../../../protocol/canonical-json.ts';
import { commandPayloadSchema } from '../../../protocol/command.ts';
import { PAYLOAD_TYPE } from '../../../protocol/dsse.ts';
import { EXECUTOR_MAX_FRAME } from '../../../protocol/executor.ts';
import { parseJson } from '../../../protocol/json-text.ts';
import { parseAgentMessage, parseOrchestratorMessage } from '../../../protocol/messages.ts';
import { decodeOutputFrame, encodeOutputFrame } from '../../../protocol/output-frame.ts';
import { terminalClientSchema } from '../../../protocol/terminal-socket.ts';
import { createCommandSigner } from '../../fakes/command-signer.ts';
import { FakeAgent } from '../../fakes/fake-agent.ts';
import { type FuzzTarget, hold } from '../target.ts';

const orgId = newId('org', systemClock);
const agentId = newId('agt', systemClock);
const signer = createCommandSigner({ orgId, agentId, trustDomain: 'test.internal' });
const command = signer.shell('echo hello');
const { envelope, delegation } = command;
const id = command.payload.command_id;
const at = '2026-01-01T00:00:00.000Z';
const load = { uptime_s: 1, load1: 0.1, memory_used: 0.5, agent_rss_bytes: 1 };

const json = (value: unknown): string => JSON.stringify(value);

/** What an end takes it can write again, and the other end takes that as the same. */
function sameAgain(parse: (text: string) => { kind: string; message?: unknown }, input: Buffer): void {
  const first = parse(input.toString('utf8'));
  if (first.kind !== 'ok') return;
  const text = JSON.stringify(first.message);
  const again = parse(text);
  hold(again.kind === 'ok' && JSON.stringify(again.message) === text, `taken once and not again: ${text}`);
  // What is signed or compared is written in one way.
  canonicalJson(first.message);
}

const fromAgent = [
  new FakeAgent({ url: 'wss://test.invalid' }).hello({
    in_flight: [{ id, state: 'running', offsets: { stdout: 1, stderr: 0 } }],
    labels: { env: 'prod' },
  }),
  // With all that it may say.
  new FakeAgent({ url: 'wss://test.invalid' }).hello({
    process_id: 'p1',
    session_id: newId('ses', systemClock),
    approval_policy: { approvers: [{ name: 'a', key: 'k' }], require: ['execute_*'] },
    audit_head: { seq: 3, hash: '0'.repeat(64) } as never,
    bundle_version: 2,
    facts: {
      hostname: 'web-1',
      os: 'linux',
      os_name: 'Debian GNU/Linux 12',
      os_id: 'debian',
      os_version: '12',
      kernel: '6.1.0-18',
      arch: 'x64',
      cpus: 2,
      memory_bytes: 2 ** 31,
      boot_time: at,
      addresses: ['10.0.0.1', 'fe80::1'],
      virtualization: 'kvm',
    },
  }),
  { type: 'heartbeat', at, load },
  { type: 'ack', ack: 7 },
  { type: 'state', seq: 1, ack: 1, command_id: id, state: 'running', at },
  {
    type: 'result',
    seq: 2,
    command_id: id,
    result: {
      state: 'succeeded',
      reason: 'exit',
      exit_code: 0,
      started_at: at,
      ended_at: at,
      stdout: { size: 2, head: 'aa', tail: '', omitted: 0 },
    },
  },
  { type: 'error', code: 'unsupported', message: 'm', ref: id },
].map(json);

const fromOrchestrator = [
  { type: 'command', seq: 1, ack: 1, envelope, delegation },
  { type: 'cancel', seq: 2, command_id: id, reason: 'policy' },
  {
    type: 'input',
    seq: 3,
    command_id: id,
    ...signer.input(id, { type: 'input', n: 1, stream: 'stdin', offset: 0, data: 'YQ==' }),
  },
  { type: 'output_ack', command_id: id, stream: 'stdout', durable_offset: 9 },
  { type: 'credit', command: 1, link: 2 },
  { type: 'goaway', reason: 'r', retry_after: 1 },
  { type: 'error', code: 'x', message: 'm' },
].map(json);

const roots = new EnvelopeVerifier(signer.trust);

export const WIRE_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'agent-message',
    seeds: fromAgent,
    dictionary: ['"type":', '"seq":', '"result"', '"hello"'],
    run: (input) => sameAgain(parseAgentMessage, input),
  },
  {
    name: 'orchestrator-message',
    seeds: fromOrchestrator,
    dictionary: ['"type":', '"envelope"', '"welcome"'],
    run: (input) => sameAgain(parseOrchestratorMessage, input),
  },
  {
    name: 'output-frame',
    seeds: [
      encodeOutputFrame({
        command_id: id,
        stream: 'stdout',
        offset: 70_000,
        at_ms: 1_700_000_000_000,
        data: Buffer.from('hello'),
      }),
    ],
    run(input) {
      const decoded = decodeOutputFrame(input);
      if (decoded.kind !== 'ok' || !/^[\x20-\x7e]*$/.test(decoded.frame.command_id)) return;
      if (!Number.isSafeInteger(decoded.frame.at_ms)) return;
      hold(
        Buffer.from(encodeOutputFrame(decoded.frame)).equals(input),
        'decoded, it is encoded as something else',
      );
    },
  },
  {
    name: 'executor-frame',
    seeds: [
      Buffer.concat([
        Buffer.from([0, 0, 0, 7, 0]),
        Buffer.from('{"a":1}'),
        Buffer.from([0, 0, 0, 2, 1, 65, 66]),
      ]),
    ],
    run(input) {
      /** What the frames are, or why there are none, however the bytes arrive. */
      const read = (pieces: readonly Buffer[]): string => {
        const reader = new FrameReader();
        const frames: unknown[] = [];
        try {
          for (const piece of pieces) frames.push(...reader.push(piece));
        } catch (cause) {
          hold(
            cause instanceof SyntaxError || /^a frame of \d+ bytes$/.test((cause as Error).message),
            String(cause),
          );
          return 'broken';
        }
        return JSON.stringify(frames);
      };
      const cut = input.length >> 1;
      hold(EXECUTOR_MAX_FRAME > 0, 'frames are bounded');
      const whole = read([input]);
      const halves = read([input.subarray(0, cut), input.subarray(cut)]);
      hold(whole === halves, 'cut in two, it is read in another way');
    },
  },
  {
    name: 'envelope',
    seeds: [json({ envelope, delegation }), json({ envelope: delegation, delegation })],
    dictionary: [envelope.payload.slice(0, 40), PAYLOAD_TYPE.command, PAYLOAD_TYPE.delegation],
    run(input) {
      const parsed = parseOrchestratorMessage(
        `{"type":"command","seq":1,${input.toString('utf8').replace(/^\s*\{/, '')}`,
      );
      if (parsed.kind !== 'ok' || parsed.message.type !== 'command') return;
      const verified = roots.verify(parsed.message, systemClock.now(), undefined);
      if (verified.kind !== 'ok') return;
      // Nothing but the very bytes that were signed is ever believed.
      hold(
        Buffer.from(parsed.message.envelope.payload, 'base64').equals(
          Buffer.from(envelope.payload, 'base64'),
        ),
        'a command that nobody signed was believed',
      );
    },
  },
  {
    name: 'envelope-keys',
    seeds: [json(envelope), json(delegation)],
    run(input) {
      const parsed = parseOrchestratorMessage(
        `{"type":"command","seq":1,"envelope":${input.toString('utf8')},"delegation":${json(delegation)}}`,
      );
      if (parsed.kind !== 'ok' || parsed.message.type !== 'command') return;
      hold(
        openEnvelope(parsed.message.envelope, PAYLOAD_TYPE.command, new Map()) === undefined,
        'opened without a key',
      );
    },
  },
  {
    name: 'command-payload',
    seeds: [json(command.payload), json({ ...command.payload, critical: ['x'], approvals: [] })],
    run(input) {
      let value: unknown;
      try {
        value = parseJson(input.toString('utf8'));
      } catch (cause) {
        hold(cause instanceof SyntaxError, String(cause));
        return;
      }
      const parsed = commandPayloadSchema.safeParse(value);
      if (!parsed.success) return;
      const text = JSON.stringify(parsed.data);
      const again = commandPayloadSchema.safeParse(JSON.parse(text));
      // What one end signs the other takes: command and result must not part ways.
      hold(
        again.success && JSON.stringify(again.data) === text,
        `signed and then refused: ${text.slice(0, 300)}`,
      );
    },
  },
  {
    name: 'terminal-client',
    seeds: [
      json({ type: 'open', rows: 24, cols: 80 }),
      json({ type: 'ack', offset: 3 }),
      json({ type: 'attach', id: newId('trm', systemClock), rows: 1, cols: 1 }),
    ],
    run(input) {
      try {
        terminalClientSchema.safeParse(parseJson(input.toString('utf8')));
      } catch (cause) {
        hold(cause instanceof SyntaxError, String(cause));
      }
    },
  },
  {
    name: 'json-text',
    seeds: [
      '{"a":["]","\\"[",{"b":[[]]}]}',
      '"[[["',
      `${'['.repeat(128)}${']'.repeat(128)}`,
      randomBytes(64),
    ],
    dictionary: ['[', '{"a":', '"', '\\', ']'],
    run(input) {
      const text = input.toString('utf8');
      let value: unknown;
      try {
        value = parseJson(text);
      } catch (cause) {
        hold(cause instanceof SyntaxError, String(cause));
        return;
      }
      const deep = (item: unknown): number =>
        typeof item === 'object' && item !== null ? 1 + Math.max(0, ...Object.values(item).map(deep)) : 0;
      hold(deep(value) <= 128, 'deeper than it may be');
    },
  },
];
