import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { createTarDecoder } from 'modern-tar';
import { AppError } from '../protocol/errors.ts';
import { makeDirectory } from './files.ts';

/** Unpacked size of a gzip file below 4 GiB, as its last four bytes say (RFC 1952). */
export async function unpackedSize(path: string): Promise<number> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, Math.max(size - 4, 0));
    return buffer.readUInt32LE(0);
  } finally {
    await handle.close();
  }
}

const isPlainName = (name: string): boolean =>
  name !== '' && !name.startsWith('/') && posix.normalize(name) === name && !name.split('/').includes('..');

interface TarEntry {
  header: { name: string; type?: string; mode?: number };
  body: AsyncIterable<Uint8Array> & { cancel(): Promise<void> };
}

/**
 * Unpacks an archive of plain files into `folder`, which nobody else can write to. Links, devices and names that lead
 * out of the folder are refused: our archives hold none. Modes are 0755 or 0644, whatever the archive or the umask says.
 */
export async function unpack(archive: string, folder: string): Promise<void> {
  const gunzip = createGunzip();
  const fed = pipeline(createReadStream(archive), gunzip);
  // A failure also reaches the reader below; this only keeps it from being reported twice.
  fed.catch(() => undefined);
  const decoder = createTarDecoder({ strict: true });
  const entries = Readable.toWeb(gunzip).pipeThrough(
    decoder as unknown as Parameters<ReturnType<typeof Readable.toWeb>['pipeThrough']>[0],
  ) as unknown as AsyncIterable<TarEntry>;
  for await (const { header, body } of entries) {
    if (header.type === 'directory') await body.cancel();
    else await unpackFile({ header, body }, folder);
  }
  await fed;
}

async function unpackFile({ header, body }: TarEntry, folder: string): Promise<void> {
  if (header.type !== 'file' || !isPlainName(header.name)) {
    throw new AppError('signature_invalid', {
      detail: `The archive holds "${header.name}" (${header.type}), which no release of ours does.`,
    });
  }
  const path = join(folder, header.name);
  await makeDirectory(dirname(path), 0o755);
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of body) await file.writeFile(chunk);
    await file.chmod(((header.mode ?? 0) & 0o100) === 0 ? 0o644 : 0o755);
    await file.sync();
  } finally {
    await file.close();
  }
}
