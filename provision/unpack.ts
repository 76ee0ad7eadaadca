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

/** More than any release of ours holds: what passes these was made to fill the disk. */
export const UNPACK_LIMITS: UnpackLimits = { bytes: 1024 ** 3, entries: 20_000 };

export interface UnpackLimits {
  /** Of all files together, unpacked. */
  bytes: number;
  entries: number;
}

const refuse = (what: string): AppError =>
  new AppError('signature_invalid', {
    detail: `The archive holds ${what}, which no release of ours does.`,
    hint: 'Nothing was switched. Build the release again where it is made, and find out who made this one.',
  });

const isPlainName = (name: string): boolean =>
  name !== '' && !name.startsWith('/') && posix.normalize(name) === name && !name.split('/').includes('..');

interface TarEntry {
  header: { name: string; type?: string; mode?: number; size?: number };
  body: AsyncIterable<Uint8Array> & { cancel(): Promise<void> };
}

/**
 * Unpacks an archive of plain files into `folder`, which nobody else can write to. Links, devices, set-uid bits and
 * names that lead out of the folder are refused, and so is more than the limits: our archives hold none. Modes are
 * 0755 or 0644, whatever the archive or the umask says.
 */
export async function unpack(archive: string, folder: string, limits = UNPACK_LIMITS): Promise<void> {
  const gunzip = createGunzip();
  const fed = pipeline(createReadStream(archive), gunzip);
  // A failure also reaches the reader below; this only keeps it from being reported twice.
  fed.catch(() => undefined);
  const decoder = createTarDecoder({ strict: true });
  const entries = Readable.toWeb(gunzip).pipeThrough(
    decoder as unknown as Parameters<ReturnType<typeof Readable.toWeb>['pipeThrough']>[0],
  ) as unknown as AsyncIterable<TarEntry>;
  const left = { ...limits };
  for await (const { header, body } of entries) {
    left.entries -= 1;
    left.bytes -= header.size ?? 0;
    // What the header announces counts before a byte of it is written.
    if (left.entries < 0 || left.bytes < 0)
      throw refuse(`more than ${limits.bytes} bytes or ${limits.entries} files`);
    if (header.type === 'directory') {
      checkName(header.name.replace(/\/$/, ''));
      await body.cancel();
    } else await unpackFile({ header, body }, folder);
  }
  await fed;
}

function checkName(name: string): void {
  if (!isPlainName(name)) throw refuse(`the name ${JSON.stringify(name)}`);
}

async function unpackFile({ header, body }: TarEntry, folder: string): Promise<void> {
  checkName(header.name);
  if (header.type !== 'file') throw refuse(`"${header.name}" (${header.type})`);
  if (((header.mode ?? 0) & 0o7000) !== 0)
    throw refuse(`"${header.name}" with a set-uid, set-gid or sticky bit`);
  const path = join(folder, header.name);
  await makeDirectory(dirname(path), 0o755);
  const file = await open(path, 'wx', 0o600);
  try {
    let size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      if (size > (header.size ?? 0)) throw refuse(`"${header.name}" longer than it says`);
      await file.writeFile(chunk);
    }
    await file.chmod(((header.mode ?? 0) & 0o100) === 0 ? 0o644 : 0o755);
    await file.sync();
  } finally {
    await file.close();
  }
}
