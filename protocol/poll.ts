import { z } from 'zod';
import { MAX_FRAME_BYTES } from './version.ts';

/**
 * The channel over plain HTTP requests, where WebSockets are blocked: `GET|POST /api/v1/agents/{vm_id}/poll`. The
 * agent chooses a `link` for each connection. Both ends number the frames that they send on it from 1; a batch says
 * up to which number the frames of the other end have been taken. So a request whose answer was lost is simply made
 * again: what came already is dropped, and nothing is missing. What the frames say is the WebSocket's to the letter.
 *
 * A POST carries frames of the agent; its answer is a batch without frames. The answer to a GET carries frames of the
 * orchestrator, and is held back until there are some. Both bodies are one batch, `application/octet-stream`:
 * `u8 version=1 | u64 number of the first frame | u64 taken | frames`, each frame `u8 kind (1 text, 2 binary,
 * 3 close) | u32 length | bytes`, integers big-endian. A close frame is `u16 code | reason, UTF-8`.
 */
export const POLL_CONTENT_TYPE = 'application/octet-stream';

/** Seconds that an orchestrator holds a GET at most: both ends see a dead link within 30 s. */
export const POLL_HOLD_S = 15;
/** A batch ends before its frames pass this (bytes), unless it is a single frame: proxies refuse bodies of 1 MiB. */
export const POLL_BATCH_BYTES = 512 * 1024;
/** The largest body: one frame of the largest size. */
export const MAX_POLL_BODY_BYTES = MAX_FRAME_BYTES + 1024;

const link = z.string().regex(/^[0-9a-f]{32}$/);
const number = z.coerce.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
export const pollPostQuerySchema = z.object({ link });
export const pollGetQuerySchema = z.object({
  link,
  after: number.describe('Number of the last frame that the agent has taken'),
  hold: number
    .default(POLL_HOLD_S)
    .describe(`Seconds to wait for frames, at most ${POLL_HOLD_S}; proxies may need less`),
});

const KINDS = ['text', 'binary', 'close'] as const;
export interface PollFrame {
  kind: (typeof KINDS)[number];
  bytes: Uint8Array;
}
export interface PollBatch {
  /** Number of the first frame; the others follow it. */
  first: number;
  /** All frames of the other end up to this one have been taken. */
  taken: number;
  frames: readonly PollFrame[];
}

const VERSION = 1;
const HEADER = 17;
const FRAME_HEADER = 5;

export function encodePollBatch(batch: PollBatch): Uint8Array<ArrayBuffer> {
  const size = batch.frames.reduce((sum, { bytes }) => sum + FRAME_HEADER + bytes.length, HEADER);
  const body = new Uint8Array(size);
  const view = new DataView(body.buffer);
  body[0] = VERSION;
  view.setBigUint64(1, BigInt(batch.first));
  view.setBigUint64(9, BigInt(batch.taken));
  let at = HEADER;
  for (const { kind, bytes } of batch.frames) {
    body[at] = KINDS.indexOf(kind) + 1;
    view.setUint32(at + 1, bytes.length);
    body.set(bytes, at + FRAME_HEADER);
    at += FRAME_HEADER + bytes.length;
  }
  return body;
}

export type DecodedBatch = { kind: 'ok'; batch: PollBatch } | { kind: 'invalid'; problem: string };

/** Decodes without copying: the frames are views on `body`. */
export function decodePollBatch(body: Uint8Array): DecodedBatch {
  const invalid = (problem: string): DecodedBatch => ({ kind: 'invalid', problem });
  if (body.length < HEADER || body[0] !== VERSION) return invalid('not a batch of frames');
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [first, taken] = [Number(view.getBigUint64(1)), Number(view.getBigUint64(9))];
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(taken)) return invalid('numbers out of range');
  const frames: PollFrame[] = [];
  let at = HEADER;
  while (at < body.length) {
    if (body.length - at < FRAME_HEADER) return invalid('a frame is shorter than its header');
    const kind = KINDS[(body[at] ?? 0) - 1];
    const length = view.getUint32(at + 1);
    if (kind === undefined) return invalid('no such kind of frame');
    if (length > MAX_FRAME_BYTES) return invalid('a frame is too large');
    if (length > body.length - at - FRAME_HEADER) return invalid('a frame is cut off');
    frames.push({ kind, bytes: body.subarray(at + FRAME_HEADER, at + FRAME_HEADER + length) });
    at += FRAME_HEADER + length;
  }
  if (frames.length > 0 && first < 1) return invalid('frames are numbered from 1');
  return { kind: 'ok', batch: { first, taken, frames } };
}

/** As many of the waiting frames, in their order, as a batch takes. */
export function takeBatch<F extends PollFrame>(waiting: readonly F[]): readonly F[] {
  let size = 0;
  const end = waiting.findIndex(({ bytes }, index) => {
    size += FRAME_HEADER + bytes.length;
    return index > 0 && size > POLL_BATCH_BYTES;
  });
  return end === -1 ? waiting : waiting.slice(0, end);
}

export function closeFrame(code: number, reason: string): PollFrame {
  const text = new TextEncoder().encode(reason);
  const bytes = new Uint8Array(2 + text.length);
  new DataView(bytes.buffer).setUint16(0, code);
  bytes.set(text, 2);
  return { kind: 'close', bytes };
}

/** A close frame that says no code is read as 1005, as a WebSocket does it. */
export function readClose({ bytes }: PollFrame): { code: number; reason: string } {
  if (bytes.length < 2) return { code: 1005, reason: '' };
  const code = new DataView(bytes.buffer, bytes.byteOffset, 2).getUint16(0);
  return { code, reason: new TextDecoder().decode(bytes.subarray(2)) };
}
