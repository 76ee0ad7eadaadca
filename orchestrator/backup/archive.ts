import { createHash, type Hash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { createTarDecoder, createTarPacker } from 'modern-tar';
import { syncDirectory } from '../../base/atomic-file.ts';
import { BACKUP_MANIFEST, type BackupManifest, backupManifestSchema } from '../../protocol/backup.ts';
import { AppError } from '../../protocol/errors.ts';

type Listed = BackupManifest['files'][number];

const CHUNK = 256 * 1024;

/** A tar file that grows entry by entry; each is hashed on its way. */
export interface ArchiveWriter {
  /** The first `size` bytes of a file: what grows meanwhile is of later. @throws when it has become shorter. */
  addFile(name: string, path: string, size: number, progress?: (bytes: number) => void): Promise<Listed>;
  addBytes(name: string, bytes: Uint8Array): Promise<Listed>;
  /** Resolves when everything is on disk. */
  finish(): Promise<void>;
  abandon(): Promise<void>;
}

export async function writeArchive(path: string): Promise<ArchiveWriter> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  const { readable, controller } = createTarPacker();
  const written = (async () => {
    for await (const chunk of readable as unknown as AsyncIterable<Uint8Array>) await file.writeFile(chunk);
  })();
  // It is awaited at the end; until then an error also reaches who adds.
  written.catch(() => undefined);

  async function add(name: string, size: number, chunks: AsyncIterable<Uint8Array>): Promise<Listed> {
    const body = controller.add({ name, size, type: 'file', mode: 0o600 }).getWriter();
    const hash = createHash('sha256');
    for await (const chunk of chunks) {
      hash.update(chunk);
      await Promise.race([body.write(chunk), written.then(() => undefined)]);
    }
    await body.close();
    return { name, size, sha256: hash.digest('hex') };
  }

  return {
    addFile(name, source, size, progress) {
      async function* bytes() {
        if (size === 0) return;
        let left = size;
        for await (const chunk of createReadStream(source, { end: size - 1, highWaterMark: CHUNK })) {
          left -= (chunk as Buffer).length;
          yield chunk as Buffer;
          progress?.((chunk as Buffer).length);
        }
        if (left > 0) throw new Error(`${source} became shorter while it was read`);
      }
      return add(name, size, bytes());
    },
    addBytes: (name, bytes) =>
      add(
        name,
        bytes.length,
        (async function* () {
          if (bytes.length > 0) yield bytes;
        })(),
      ),
    async finish() {
      controller.finalize();
      await written;
      await file.sync();
      await file.close();
    },
    async abandon() {
      controller.error(new Error('abandoned'));
      await written.catch(() => undefined);
      await file.close().catch(() => undefined);
    },
  };
}

const broken = (path: string, what: string, cause?: unknown): AppError =>
  new AppError('signature_invalid', {
    detail: `${path} is no whole backup: ${what}.`,
    hint: 'Nothing was changed. Take another copy of it, or an older backup.',
    ...(cause === undefined ? {} : { cause }),
  });

const isPlainName = (name: string): boolean =>
  name !== '' && !name.startsWith('/') && posix.normalize(name) === name && !name.split('/').includes('..');

interface Entry {
  header: { name: string; type?: string; size?: number };
  body: AsyncIterable<Uint8Array>;
}

const MOST_MANIFEST_BYTES = 512 * 1024 * 1024;

/** Reads one entry; what is kept goes to a file of its own. */
async function readEntry(
  { header, body }: Entry,
  to: FileHandle | undefined,
  hash: Hash,
  progress?: (bytes: number) => void,
): Promise<{ size: number; chunks: Uint8Array[] }> {
  let size = 0;
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) {
    size += chunk.length;
    hash.update(chunk);
    if (to !== undefined) await to.writeFile(chunk);
    else if (header.name === BACKUP_MANIFEST && size <= MOST_MANIFEST_BYTES) chunks.push(chunk);
    progress?.(chunk.length);
  }
  return { size, chunks };
}

/**
 * Reads a backup from its first byte to its last and compares it with its manifest; `folder` gets those of its files
 * that are wanted. It is
 * whole only when this resolves: until then nothing of `folder` counts. @throws AppError `signature_invalid`, `not_found`
 */
export async function readArchive(
  path: string,
  options: { folder?: string; wanted?: (name: string) => boolean; progress?: (bytes: number) => void } = {},
): Promise<BackupManifest> {
  const handle = await open(path).catch((cause: NodeJS.ErrnoException) => {
    throw new AppError('not_found', {
      detail: `${path} cannot be read (${cause.code ?? cause.message}).`,
      cause,
    });
  });
  const { folder, wanted = () => true } = options;
  const found = new Map<string, Listed>();
  const folders = new Set<string>();
  let manifest: BackupManifest | undefined;
  try {
    const decoder = createTarDecoder({ strict: true });
    const entries = Readable.toWeb(handle.createReadStream({ autoClose: false })).pipeThrough(
      decoder as unknown as Parameters<ReturnType<typeof Readable.toWeb>['pipeThrough']>[0],
    ) as unknown as AsyncIterable<Entry>;
    for await (const entry of entries) {
      const { name, type } = entry.header;
      if (manifest !== undefined) throw broken(path, `"${name}" stands behind its manifest`);
      if (type !== 'file' || !isPlainName(name) || found.has(name))
        throw broken(path, `it holds ${JSON.stringify(name)} (${type}), which no backup of ours does`);
      const hash = createHash('sha256');
      const isManifest = name === BACKUP_MANIFEST;
      const target = folder === undefined || isManifest || !wanted(name) ? undefined : join(folder, name);
      let to: FileHandle | undefined;
      if (target !== undefined) {
        await mkdir(dirname(target), { recursive: true, mode: 0o700 });
        folders.add(dirname(target));
        to = await open(target, 'wx', 0o600);
      }
      try {
        const { size, chunks } = await readEntry(entry, to, hash, options.progress);
        await to?.sync();
        if (isManifest) manifest = parseManifest(path, Buffer.concat(chunks).toString('utf8'));
        else found.set(name, { name, size, sha256: hash.digest('hex') });
      } finally {
        await to?.close();
      }
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    // A full disk is no fault of the backup.
    if (/^E[A-Z]+$/.test(String((cause as NodeJS.ErrnoException).code))) throw cause;
    throw broken(path, 'it cannot be read to its end', cause);
  } finally {
    await handle.close();
  }
  if (manifest === undefined) throw broken(path, 'it ends before its manifest');
  for (const { name, size, sha256 } of manifest.files) {
    const got = found.get(name);
    if (got === undefined) throw broken(path, `${name} is missing`);
    if (got.size !== size || got.sha256 !== sha256) throw broken(path, `${name} was changed`);
    found.delete(name);
  }
  for (const made of folders) await syncDirectory(made);
  const [extra] = found.keys();
  if (extra !== undefined) throw broken(path, `${extra} is in it and not in its manifest`);
  return manifest;
}

function parseManifest(path: string, text: string): BackupManifest {
  try {
    return backupManifestSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw broken(path, 'its manifest is not in a form that this version knows', cause);
  }
}
