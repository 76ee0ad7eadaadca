import type { FileHandle } from 'node:fs/promises';

/** Random access to bytes. */
export interface ByteSource {
  size: number;
  /** At most `length` bytes from `at`; shorter only at the end. */
  read(at: number, length: number): Promise<Buffer>;
  /** The same for going through many bytes: valid until the next `scan`, so that memory is used again. */
  scan(at: number, length: number): Promise<Buffer>;
}

/** Files of the kernel say that they have no bytes; they are read once, up to this. */
const PSEUDO_MAX = 1024 * 1024;

/** An open file, as large as it was when it was opened. */
export async function fileSource(handle: FileHandle, size: number): Promise<ByteSource> {
  if (size === 0) return bufferSource(await readAll(handle, PSEUDO_MAX));
  let scratch = Buffer.alloc(0);
  const upTo = (at: number, length: number) => Math.min(length, Math.max(0, size - at));
  return {
    size,
    read: (at, length) => fill(handle, at, Buffer.allocUnsafe(upTo(at, length))),
    scan(at, length) {
      const wanted = upTo(at, length);
      if (scratch.length < wanted) scratch = Buffer.allocUnsafe(wanted);
      return fill(handle, at, scratch.subarray(0, wanted));
    },
  };
}

export function bufferSource(bytes: Buffer): ByteSource {
  const read = async (at: number, length: number) => bytes.subarray(at, at + length);
  return { size: bytes.length, read, scan: read };
}

async function fill(handle: FileHandle, at: number, buffer: Buffer): Promise<Buffer> {
  let got = 0;
  while (got < buffer.length) {
    const { bytesRead } = await handle.read(buffer, got, buffer.length - got, at + got);
    if (bytesRead === 0) break;
    got += bytesRead;
  }
  return buffer.subarray(0, got);
}

/** From the present position: files of the kernel need not know others. */
async function readAll(handle: FileHandle, max: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (let total = 0; total < max; ) {
    const buffer = Buffer.allocUnsafe(64 * 1024);
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, max - total), null);
    if (bytesRead === 0) break;
    pieces.push(buffer.subarray(0, bytesRead));
    total += bytesRead;
  }
  return Buffer.concat(pieces);
}
