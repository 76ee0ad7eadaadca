import type { Stream } from './command.ts';

/**
 * Binary frame with a piece of a command's output:
 * `u8 kind=1 | u8 stream (1 stdout, 2 stderr) | u8 n | n bytes command id, ASCII | u64 offset | u64 unix ms | payload`,
 * integers big-endian. `offset` is the place of the first payload byte in its stream.
 */
export interface OutputFrame {
  command_id: string;
  stream: Stream;
  offset: number;
  at_ms: number;
  data: Uint8Array;
}

const KIND_OUTPUT = 1;
const STREAMS: readonly Stream[] = ['stdout', 'stderr'];

/** The header alone, for a sender that passes the payload on without copying it. */
export function encodeOutputHeader(frame: Omit<OutputFrame, 'data'>): Uint8Array {
  const id = new TextEncoder().encode(frame.command_id);
  const bytes = new Uint8Array(3 + id.length + 16);
  const view = new DataView(bytes.buffer);
  bytes[0] = KIND_OUTPUT;
  bytes[1] = STREAMS.indexOf(frame.stream) + 1;
  bytes[2] = id.length;
  bytes.set(id, 3);
  view.setBigUint64(3 + id.length, BigInt(frame.offset));
  view.setBigUint64(11 + id.length, BigInt(frame.at_ms));
  return bytes;
}

export function encodeOutputFrame(frame: OutputFrame): Uint8Array {
  const header = encodeOutputHeader(frame);
  const bytes = new Uint8Array(header.length + frame.data.length);
  bytes.set(header, 0);
  bytes.set(frame.data, header.length);
  return bytes;
}

export type DecodedFrame =
  | { kind: 'ok'; frame: OutputFrame }
  | { kind: 'unknown' }
  | { kind: 'invalid'; problem: string };

/** Decodes without copying: `data` is a view on `bytes`. Kinds of a later version are `unknown`. */
export function decodeOutputFrame(bytes: Uint8Array): DecodedFrame {
  if (bytes.length < 3) return { kind: 'invalid', problem: 'shorter than a header' };
  if (bytes[0] !== KIND_OUTPUT) return { kind: 'unknown' };
  const stream = STREAMS[(bytes[1] ?? 0) - 1];
  if (stream === undefined) return { kind: 'invalid', problem: 'no such stream' };
  const idLength = bytes[2] ?? 0;
  const headerLength = 3 + idLength + 16;
  if (bytes.length < headerLength) return { kind: 'invalid', problem: 'shorter than its header' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const offset = Number(view.getBigUint64(3 + idLength));
  if (!Number.isSafeInteger(offset)) return { kind: 'invalid', problem: 'offset out of range' };
  return {
    kind: 'ok',
    frame: {
      command_id: new TextDecoder().decode(bytes.subarray(3, 3 + idLength)),
      stream,
      offset,
      at_ms: Number(view.getBigUint64(11 + idLength)),
      data: bytes.subarray(headerLength),
    },
  };
}
