import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { packTar } from 'modern-tar';

export interface ArchiveEntry {
  /** Path inside the archive, with `/`. */
  readonly name: string;
  readonly body: Uint8Array;
  readonly executable?: boolean;
}

/** The files below `folder/name` (or that file itself) as entries named relative to `folder`. */
export function entriesOf(folder: string, name: string): ArchiveEntry[] {
  const path = join(folder, name);
  const { mode } = statSync(path);
  if (!statSync(path).isDirectory())
    return [{ name, body: readFileSync(path), executable: (mode & 0o100) !== 0 }];
  return readdirSync(path).flatMap((child) => entriesOf(folder, posix.join(name, child)));
}

/**
 * A tar.gz whose bytes depend on the entries alone: sorted, owned by root, dated 1970. Level 4 packs the 120 MB
 * runtime in 2 s; level 6 takes 3 s for 3 % less.
 */
export async function archive(entries: readonly ArchiveEntry[]): Promise<Buffer> {
  const sorted = [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
  const tar = await packTar(
    sorted.map(({ name, body, executable }) => ({
      header: {
        name,
        size: body.length,
        mode: executable ? 0o755 : 0o644,
        mtime: new Date(0),
        uid: 0,
        gid: 0,
        uname: 'root',
        gname: 'root',
      },
      body,
    })),
  );
  return promisify(gzip)(tar, { level: 4 });
}
