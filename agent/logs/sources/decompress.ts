import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import xz from 'xz-decompress';
import { AppError } from '../../../protocol/errors.ts';
import { unpackZstd } from './zstd-frames.ts';

export type Compression = 'gzip' | 'zstd' | 'xz';

const OTHERS: readonly [magic: string, name: string, command: string][] = [
  ['425a68', 'bzip2', 'bzcat'],
  ['1f9d', 'compress', 'zcat'],
  ['04224d18', 'lz4', 'lz4cat'],
  ['504b0304', 'zip', 'unzip -p'],
];

/** By its first bytes, whatever the name says. @throws AppError `unsupported` for what is packed in another way. */
export function compressionOf(head: Buffer, path: string): Compression | undefined {
  const hex = head.subarray(0, 6).toString('hex');
  if (hex.startsWith('1f8b')) return 'gzip';
  // The second: a frame to be skipped, with which some writers begin.
  if (hex.startsWith('28b52ffd') || /^5.2a4d18/.test(hex)) return 'zstd';
  if (hex.startsWith('fd377a585a00')) return 'xz';
  for (const [magic, name, command] of OTHERS)
    if (hex.startsWith(magic))
      throw new AppError('unsupported', {
        detail: `${path} is compressed (${name}); gzip, zstd and xz are read.`,
        hint: `Unpack it first: ${command} ${path} > /tmp/log, and analyze that.`,
      });
  return undefined;
}

/** What the packed bytes hold, piece by piece. A damaged end throws after the last good piece. */
export async function* decompressed(
  packed: AsyncIterable<Buffer>,
  compression: Compression,
): AsyncGenerator<Buffer> {
  if (compression === 'xz') {
    const web = Readable.toWeb(Readable.from(packed, { objectMode: false }));
    const stream = new xz.XzReadableStream(web as unknown as ReadableStream<Uint8Array>);
    for await (const piece of stream as unknown as AsyncIterable<Uint8Array>)
      yield Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    return;
  }
  if (compression === 'zstd') return yield* unpackZstd(packed);
  const unpack = createGunzip();
  const source = Readable.from(packed, { objectMode: false });
  source.on('error', (error) => unpack.destroy(error));
  try {
    yield* source.pipe(unpack);
  } finally {
    source.destroy();
    unpack.destroy();
  }
}
