import type { FileHandle } from 'node:fs/promises';

/** Random access to bytes. */
export interface ByteSource {
  size: number;
  /** At most `length` bytes from `at`; shorter only at the end. */
  read(at: number, length: number): Promise<Buffer>;
}

/** Files of the kernel say that they have no bytes; they are read once, up to this. */
const PSEUDO_MAX = 1024 * 1024;

/** An open file, as large as it was when it was opened. */
export async function fileSource(handle: FileHandle, size: number): Promise<ByteSource> {
  if (size === 0) return bufferSource(await readAll(handle, PSEUDO_MAX));
  return {
    size,
    read: (at, length) => readFully(handle, at, Math.min(length, Math.max(0, size - at))),
  };
}

export const bufferSource = (bytes: Buffer): ByteSource => ({
  size: bytes.length,
  read: async (at, length) => bytes.subarray(at, at + length),
});

async function readFully(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let got = 0;
  while (got < length) {
    const { bytesRead } = await handle.read(buffer, got, length - got, at + got);
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
