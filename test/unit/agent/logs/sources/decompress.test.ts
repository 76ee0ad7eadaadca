import { randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type Compression,
  compressionOf,
  decompressed,
} from '../../../../../agent/logs/sources/decompress.ts';

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function unpack(bytes: Buffer, kind: Compression, size = 1000) {
  const pieces: Buffer[] = [];
  let failure: string | undefined;
  try {
    for await (const piece of decompressed(cut(bytes, size), kind)) pieces.push(Buffer.from(piece));
  } catch (cause) {
    failure = (cause as Error).message;
  }
  return { bytes: Buffer.concat(pieces), failure };
}

const text = Buffer.concat([randomBytes(150_000), Buffer.alloc(300_000, 'line of a log\n')]);
const SKIPPED = Buffer.from('502a4d18040000000102030', 'hex');
const skipped = Buffer.concat([SKIPPED, Buffer.from([4])]);
/** Of xz there is no packer in Node: made by `printf 'one\ntwo\n' | xz`. */
const XZ = Buffer.from(
  '/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAHb25lCnR3bwoAUauer1d1cEkAASAIuxnZux+2830BAAAAAARZWg==',
  'base64',
);

describe('packed logs', () => {
  it('are recognised by their first bytes', () => {
    expect(compressionOf(gzipSync('x'), 'log')).toBe('gzip');
    expect(compressionOf(zstdCompressSync('x'), 'log')).toBe('zstd');
    expect(compressionOf(skipped, 'log')).toBe('zstd');
    expect(compressionOf(Buffer.from('fd377a585a000004', 'hex'), 'log')).toBe('xz');
    expect(compressionOf(Buffer.from('2026-01-01 started'), 'log.gz')).toBeUndefined();
    expect(() => compressionOf(Buffer.from('BZh91AY'), '/a/log')).toThrow(/bzip2/);
  });

  it('gzip: all members, and what came before damage', async () => {
    const two = Buffer.concat([gzipSync(text), gzipSync('end\n')]);
    expect((await unpack(two, 'gzip')).bytes.equals(Buffer.concat([text, Buffer.from('end\n')]))).toBe(true);
    const damaged = await unpack(gzipSync(text).subarray(0, 100_000), 'gzip');
    expect(damaged.failure).toBeDefined();
    expect(damaged.bytes.length).toBeGreaterThan(50_000);
  });

  it.each([1, 7, 1000, 1_000_000])(
    'zstd: all frames, also skipped and empty ones, in pieces of %i',
    async (size) => {
      const short = Buffer.from('short\n');
      const frames = [
        skipped,
        zstdCompressSync(short),
        zstdCompressSync(''),
        skipped,
        zstdCompressSync(short),
        skipped,
      ];
      const found = await unpack(Buffer.concat(frames), 'zstd', size);
      expect(found).toEqual({ bytes: Buffer.concat([short, short]), failure: undefined });
    },
  );

  it('zstd: says that a file ends too early', async () => {
    const packed = Buffer.concat([zstdCompressSync(text), zstdCompressSync(text)]);
    expect((await unpack(packed, 'zstd')).bytes.equals(Buffer.concat([text, text]))).toBe(true);
    const { bytes, failure } = await unpack(packed.subarray(0, packed.length - 10), 'zstd');
    expect(failure).toMatch(/ends inside a frame/);
    expect(bytes.length).toBeGreaterThanOrEqual(text.length);
    expect((await unpack(Buffer.from('no frame at all'), 'zstd')).failure).toMatch(/no frame/);
  });

  it('xz', async () => {
    expect((await unpack(XZ, 'xz', 10)).bytes.toString()).toBe('one\ntwo\n');
    expect((await unpack(XZ.subarray(0, 40), 'xz')).failure).toBeDefined();
  });
});
