/** A piece of a file as text or base64 that fits into an answer. */
import type { ByteSource } from './byte-source.ts';

export type TextEncoding = 'utf-8' | 'latin1' | 'base64';

export interface Window {
  content: string;
  start: number;
  end: number;
  /** Lines, or bytes. */
  count: number;
  /** One line was longer than what fits; the rest of it was left out. */
  lineCut: boolean;
  invalidUtf8: boolean;
}

/** What an answer holds when nobody asked for more. */
export const DEFAULT_CONTENT = 24 * 1024;
/** As JSON. An answer carries its content twice (text and structure) and stays under 256 KiB. */
export const MAX_CONTENT = 112 * 1024;

/** Up to `max` lines or bytes from `start`, as many as fit into `budget` bytes of JSON. */
export async function readWindow(
  source: ByteSource,
  options: { start: number; unit: 'lines' | 'bytes'; max: number; encoding: TextEncoding; budget: number },
): Promise<Window> {
  const { start, unit, max, encoding, budget } = options;
  let room = encoding === 'base64' ? Math.floor((budget - 2) / 4) * 3 : budget;
  if (unit === 'bytes') room = Math.min(room, max);
  for (;;) {
    const bytes = await source.read(start, room);
    const atEnd = start + bytes.length >= source.size;
    const cut =
      unit === 'lines'
        ? cutLines(bytes, max, atEnd)
        : { end: bytes.length, count: bytes.length, lineCut: false };
    let used = bytes.subarray(0, cut.end);
    if (encoding === 'utf-8' && (cut.lineCut || (unit === 'bytes' && !atEnd))) used = wholeCharacters(used);
    const content = decode(used, encoding);
    const weight = Buffer.byteLength(JSON.stringify(content));
    if (weight <= budget || used.length <= 16)
      return {
        content,
        start,
        end: start + used.length,
        count: unit === 'bytes' ? used.length : cut.count,
        lineCut: cut.lineCut,
        invalidUtf8: encoding === 'utf-8' && content.includes('\uFFFD') && !isUtf8(used),
      };
    // Control characters take six bytes each as JSON.
    room = Math.max(16, Math.floor((used.length * budget * 0.95) / weight));
  }
}

function cutLines(
  bytes: Buffer,
  max: number,
  atEnd: boolean,
): { end: number; count: number; lineCut: boolean } {
  let end = 0;
  let count = 0;
  while (count < max) {
    const found = bytes.indexOf(10, end);
    if (found < 0) break;
    end = found + 1;
    count++;
  }
  if (count === max || end === bytes.length) return { end, count, lineCut: false };
  if (atEnd) return { end: bytes.length, count: count + 1, lineCut: false };
  return count > 0 ? { end, count, lineCut: false } : { end: bytes.length, count: 1, lineCut: true };
}

const fatal = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    fatal.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

const decode = (bytes: Buffer, encoding: TextEncoding): string =>
  bytes.toString(encoding === 'utf-8' ? 'utf8' : encoding);

/** Without a character that is cut at the end. */
export function wholeCharacters(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length - 1); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
    }
  }
  return bytes;
}
