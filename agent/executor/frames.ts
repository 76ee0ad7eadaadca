import type { Socket } from 'node:net';
import { EXECUTOR_MAX_FRAME } from '../../protocol/executor.ts';
import { parseJson } from '../../protocol/json-text.ts';

const HEADER = 5;
const KIND_JSON = 0;
const KIND_OUTPUT = 1;

export type ReceivedFrame = { kind: 'json'; value: unknown } | { kind: 'output'; bytes: Buffer };

function header(kind: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER);
  bytes.writeUInt32BE(length, 0);
  bytes.writeUInt8(kind, 4);
  return bytes;
}

/** Writes a JSON frame; false when the socket holds more than it likes to. */
export function writeJsonFrame(socket: Socket, value: unknown): boolean {
  const body = Buffer.from(JSON.stringify(value));
  return socket.write(Buffer.concat([header(KIND_JSON, body.length), body]));
}

/** Writes an output frame, whose bytes are the caller's to use again after this. */
export function writeOutputFrame(socket: Socket, head: Uint8Array, data: Uint8Array): boolean {
  return socket.write(Buffer.concat([header(KIND_OUTPUT, head.length + data.length), head, data]));
}

/** Cuts what comes into frames. Kinds of a later version are passed over. */
export class FrameReader {
  #buffered: Buffer = Buffer.alloc(0);

  /** @throws when a frame is longer than any may be, or is no JSON: the other end cannot be understood. */
  push(chunk: Buffer): ReceivedFrame[] {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    const frames: ReceivedFrame[] = [];
    while (this.#buffered.length >= HEADER) {
      const length = this.#buffered.readUInt32BE(0);
      if (length > EXECUTOR_MAX_FRAME) throw new Error(`a frame of ${length} bytes`);
      if (this.#buffered.length < HEADER + length) break;
      const kind = this.#buffered.readUInt8(4);
      const body = this.#buffered.subarray(HEADER, HEADER + length);
      this.#buffered = this.#buffered.subarray(HEADER + length);
      if (kind === KIND_JSON) frames.push({ kind: 'json', value: parseJson(body.toString('utf8')) });
      else if (kind === KIND_OUTPUT) frames.push({ kind: 'output', bytes: body });
    }
    return frames;
  }
}
