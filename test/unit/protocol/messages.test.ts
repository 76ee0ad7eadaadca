import { describe, expect, it } from 'vitest';
import { parseAgentMessage, parseOrchestratorMessage } from '../../../protocol/messages.ts';

describe('messages', () => {
  it('of a type that this version does not know are unknown, so that a newer peer can talk to an older one', () => {
    expect(parseAgentMessage('{"type":"hologram"}')).toEqual({ kind: 'unknown', type: 'hologram' });
  });

  it('of the other direction are unknown: an agent cannot play the orchestrator', () => {
    expect(parseAgentMessage('{"type":"welcome"}').kind).toBe('unknown');
    expect(parseOrchestratorMessage('{"type":"hello"}').kind).toBe('unknown');
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'named after %s are unknown',
    (type) => {
      expect(parseAgentMessage(JSON.stringify({ type })).kind).toBe('unknown');
    },
  );

  it.each(['', 'null', '[]', '{', '{"type":3}', '"hello"'])(
    'that are no object with a type are invalid: %j',
    (text) => {
      expect(parseAgentMessage(text).kind).toBe('invalid');
    },
  );

  it('say what is wrong with them', () => {
    const parsed = parseOrchestratorMessage(
      '{"type":"output_ack","command_id":"x","stream":"stdin","durable_offset":-1}',
    );
    expect(parsed.kind).toBe('invalid');
    if (parsed.kind === 'invalid')
      expect(parsed.problem).toMatch(/command_id[\s\S]*stream|stream[\s\S]*command_id/);
  });

  it('lose fields that this version does not know, and keep the rest', () => {
    expect(parseAgentMessage('{"type":"ack","ack":3,"colour":"red"}')).toEqual({
      kind: 'ok',
      message: { type: 'ack', ack: 3 },
    });
  });

  it('cannot reach a prototype through __proto__ keys', () => {
    const parsed = parseAgentMessage('{"type":"ack","ack":3,"__proto__":{"admin":true}}');
    expect(parsed.kind).toBe('ok');
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
    if (parsed.kind === 'ok') expect((parsed.message as { admin?: boolean }).admin).toBeUndefined();
  });
});
