import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { agentMessageSchema, orchestratorMessageSchema } from '../../protocol/messages.ts';
import { encodeOutputFrame } from '../../protocol/output-frame.ts';
import { CLOSE, PROTOCOL_HISTORY, PROTOCOL_VERSION, SUBPROTOCOL } from '../../protocol/version.ts';

const shapeOf = (union: { options: readonly { shape: Record<string, unknown> }[] }) =>
  Object.fromEntries(
    union.options.map(({ shape }) => [
      (shape['type'] as { value: string }).value,
      Object.keys(shape).toSorted().join(' '),
    ]),
  );

// A peer of an older version reads these. A change here is a change of the protocol: add fields, never rename them,
// and write a line into the history of protocol/version.ts.
describe('what crosses the wire', () => {
  it('speaks one subprotocol, whose version has a dated line', () => {
    expect([SUBPROTOCOL, PROTOCOL_VERSION]).toEqual(['vm-agent.v1', 1]);
    expect(PROTOCOL_HISTORY.map(({ version }) => version)).toEqual([1]);
    expect(PROTOCOL_HISTORY[0]?.date).toMatch(/^\d{4}-\d\d-\d\d$/);
  });

  it('from an agent has these messages with these fields', () => {
    expect(shapeOf(agentMessageSchema)).toEqual({
      hello:
        'agent_version approval_policy audit_head audit_witness boot_id bundle_version clock command_seq facts features in_flight labels machine_hash policy_sha256 process_id protocol_max protocol_min recv_seq session_id tool_manifest_sha256 tools type',
      heartbeat: 'at audit_head load type',
      ack: 'ack type',
      state: 'ack at command_id seq state type',
      result: 'ack command_id result seq type',
      audit_cosign: 'kept refused type',
      trust_ack: 'bundle_version refused type',
      error: 'code message ref type',
    });
  });

  it('from an orchestrator has these messages with these fields', () => {
    expect(shapeOf(orchestratorMessageSchema)).toEqual({
      welcome:
        'agent_id heartbeat_interval limits min_version organization_id protocol recv_seq resumed server_time session_epoch session_id type',
      ack: 'ack type',
      command: 'ack delegation envelope seq type',
      cancel: 'ack command_id reason seq type',
      input: 'ack command_id delegation envelope seq type',
      resize: 'ack command_id delegation envelope seq type',
      signal: 'ack command_id delegation envelope seq type',
      output_ack: 'command_id durable_offset stream type',
      credit: 'command link type',
      goaway: 'reason retry_after type',
      audit_head: 'checkpoint from key line proof type',
      audit_cosign: 'envelope type',
      trust_update: 'bundle_version issuing spread_s statement type',
      error: 'code message ref type',
    });
  });

  it('has output frames of this layout', () => {
    const frame = encodeOutputFrame({
      command_id: 'cmd-1',
      stream: 'stderr',
      offset: 258,
      at_ms: 1,
      data: Uint8Array.of(0xff, 0x00),
    });
    expect(Buffer.from(frame).toString('hex')).toBe(
      '010205636d642d310000000000000102' + '0000000000000001ff00',
    );
  });

  it('closes with these codes', () => {
    expect(CLOSE).toEqual({
      goingAway: 4000,
      protocolError: 4001,
      helloTimeout: 4002,
      unsupportedVersion: 4003,
      supersededSession: 4004,
      certificateEnded: 4005,
      certificateRevoked: 4006,
      quarantined: 4007,
      overloaded: 4008,
      deadLink: 4009,
      wrongAgent: 4010,
    });
  });

  it('names errors by these codes', async () => {
    await expect(ERROR_CODES.join('\n')).toMatchFileSnapshot('./error-codes.txt');
  });
});
