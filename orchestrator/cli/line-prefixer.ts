import type { Stream } from '../../protocol/command.ts';

/** Puts a name before each line of several outputs; whole lines leave, the rest waits for its end. */
export interface LinePrefixer {
  /** What can be printed now. */
  push(name: string, stream: Stream, data: Uint8Array): Buffer;
  /** The unfinished last line of one output, with its newline. */
  end(name: string, stream: Stream): Buffer;
}

const NEWLINE = 10;
/** A line that grows beyond this is printed in parts. */
const MAX_LINE_BYTES = 64 * 1024;

export function createLinePrefixer(): LinePrefixer {
  const rests = new Map<string, Buffer>();
  const keyOf = (name: string, stream: Stream) => `${name}\0${stream}`;
  const prefixed = (name: string, lines: Buffer): Buffer[] => {
    const prefix = Buffer.from(`${name}: `);
    const parts: Buffer[] = [];
    for (let at = 0; at < lines.length; ) {
      const end = lines.indexOf(NEWLINE, at) + 1;
      parts.push(prefix, lines.subarray(at, end));
      at = end;
    }
    return parts;
  };
  return {
    push(name, stream, data) {
      const key = keyOf(name, stream);
      const all = Buffer.concat([rests.get(key) ?? Buffer.alloc(0), data]);
      const end = all.lastIndexOf(NEWLINE) + 1;
      const rest = all.subarray(end);
      const parts = prefixed(name, all.subarray(0, end));
      if (rest.length > MAX_LINE_BYTES) {
        parts.push(...prefixed(name, Buffer.concat([rest, Buffer.from('\n')])));
        rests.delete(key);
      } else rests.set(key, Buffer.from(rest));
      return Buffer.concat(parts);
    },
    end(name, stream) {
      const key = keyOf(name, stream);
      const rest = rests.get(key);
      rests.delete(key);
      if (rest === undefined || rest.length === 0) return Buffer.alloc(0);
      return Buffer.concat(prefixed(name, Buffer.concat([rest, Buffer.from('\n')])));
    },
  };
}
