import { describe, expect, it } from 'vitest';
import {
  closeFrame,
  decodePollBatch,
  encodePollBatch,
  POLL_BATCH_BYTES,
  type PollFrame,
  readClose,
  takeBatch,
} from '../../../protocol/poll.ts';
import { MAX_FRAME_BYTES } from '../../../protocol/version.ts';

const text = (words: string): PollFrame => ({ kind: 'text', bytes: new TextEncoder().encode(words) });
const frames = [text('{"type":"ack","ack":1}'), { kind: 'binary', bytes: new Uint8Array([0, 255]) } as const];

describe('a batch of frames', () => {
  it('comes out as it went in', () => {
    const batch = { first: 7, taken: 2 ** 40, frames: [...frames, closeFrame(4006, 'révoqué')] };
    const decoded = decodePollBatch(encodePollBatch(batch));
    if (decoded.kind !== 'ok') throw new Error(decoded.problem);
    expect(decoded.batch).toEqual(batch);
    expect(readClose(decoded.batch.frames[2] ?? text(''))).toEqual({ code: 4006, reason: 'révoqué' });
  });

  it('is the same bytes in every version', () => {
    expect(Buffer.from(encodePollBatch({ first: 1, taken: 3, frames: [text('a')] })).toString('hex')).toBe(
      `01${'0000000000000001'}${'0000000000000003'}0100000001${'61'}`,
    );
  });

  it('may be empty', () => {
    const empty = { first: 0, taken: 0, frames: [] };
    expect(decodePollBatch(encodePollBatch(empty))).toEqual({ kind: 'ok', batch: empty });
  });

  const whole = encodePollBatch({ first: 1, taken: 0, frames });
  const changed = (at: number, byte: number) => whole.with(at, byte);
  it.each<[string, Uint8Array]>([
    ['a page of a proxy', Buffer.from('<html><body>blocked</body></html>')],
    ['nothing', new Uint8Array()],
    ['another version', changed(0, 9)],
    ['a number that no program can count to', changed(1, 255)],
    ['frames before the first', encodePollBatch({ first: 0, taken: 0, frames })],
    ['a kind of frame that nobody knows', changed(17, 9)],
    ['a length beyond the body', changed(21, 200)],
    ['a frame that is too large', changed(18, 255)],
    ['half a header', whole.subarray(0, -5)],
    ['a frame that is cut', whole.subarray(0, -1)],
  ])('is not read out of %s', (_what, body) => {
    expect(decodePollBatch(body).kind).toBe('invalid');
  });

  it('is read or refused, and never more, at every cut', () => {
    for (let end = 0; end < whole.length; end++) {
      const decoded = decodePollBatch(whole.subarray(0, end));
      if (decoded.kind === 'ok')
        expect(frames.slice(0, decoded.batch.frames.length)).toEqual(decoded.batch.frames);
    }
  });

  it('takes as many frames as stay below what proxies let pass, and at least one', () => {
    const large = { kind: 'binary', bytes: new Uint8Array(200 * 1024) } as const;
    expect(takeBatch([large, large, large, large])).toHaveLength(2);
    const largest = { kind: 'binary', bytes: new Uint8Array(MAX_FRAME_BYTES) } as const;
    expect(largest.bytes.length).toBeGreaterThan(POLL_BATCH_BYTES);
    expect(takeBatch([largest, large])).toEqual([largest]);
    expect(takeBatch(frames)).toEqual(frames);
  });
});
