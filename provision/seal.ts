import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/atomic-file.ts';
import { exists, sha256File } from './files.ts';

/** Written beside the files of a version: what they were made from, and the hash of each. */
const SEAL = 'INSTALLED';

export interface Seal {
  /** Changes with any byte of what was installed. */
  digest: string;
  files: readonly { sum: string; name: string }[];
}

/** Undefined when the folder was never finished. */
export async function readSeal(folder: string): Promise<Seal | undefined> {
  const text = await readFile(join(folder, SEAL), 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return '';
    throw cause;
  });
  const [digest = '', ...lines] = text.trimEnd().split('\n');
  if (digest === '') return undefined;
  return {
    digest,
    files: lines.map((line) => {
      const [sum = '', name = ''] = line.split('  ');
      return { sum, name };
    }),
  };
}

/** Names of sealed files that are gone or are not what was installed. */
export async function brokenFiles(folder: string, { files }: Seal): Promise<string[]> {
  const broken: string[] = [];
  for (const { sum, name } of files) {
    if (!(await exists(join(folder, name))) || (await sha256File(join(folder, name))) !== sum)
      broken.push(name);
  }
  return broken;
}

export async function sealFolder(folder: string, digest: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
  const sums: string[] = [];
  for (const name of names) sums.push(`${await sha256File(join(folder, name))}  ${name}`);
  await writeFileAtomic(join(folder, SEAL), `${[digest, ...sums].join('\n')}\n`, { mode: 0o644 });
}
