import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeOutputFrame, encodeOutputFrame } from '../../../protocol/output-frame.ts';

describe('output frames', () => {
  it('give back what was put in, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('stdout' as const, 'stderr' as const),
        fc.stringMatching(/^[ -~]{0,255}$/),
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        fc.uint8Array({ maxLength: 2000 }),
        (stream, command_id, offset, data) => {
          const frame = { stream, command_id, offset, at_ms: 1_795_000_000_000, data };
          const decoded = decodeOutputFrame(encodeOutputFrame(frame));
          expect(decoded.kind).toBe('ok');
          if (decoded.kind === 'ok')
            expect({ ...decoded.frame, data: Uint8Array.from(decoded.frame.data) }).toEqual(frame);
        },
      ),
    );
  });

  it('never throw on bytes from a stranger', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(['ok', 'unknown', 'invalid']).toContain(decodeOutputFrame(bytes).kind);
      }),
    );
  });

  it('of a later kind are unknown, not invalid', () => {
    expect(decodeOutputFrame(Uint8Array.of(9, 1, 0)).kind).toBe('unknown');
  });

  it('cut short or with an offset beyond 2^53 are invalid', () => {
    const bytes = encodeOutputFrame({
      stream: 'stdout',
      command_id: 'c',
      offset: 1,
      at_ms: 1,
      data: new Uint8Array(0),
    });
    expect(decodeOutputFrame(bytes.subarray(0, bytes.length - 1)).kind).toBe('invalid');
    bytes[4] = 0xff;
    expect(decodeOutputFrame(bytes).kind).toBe('invalid');
  });
});
