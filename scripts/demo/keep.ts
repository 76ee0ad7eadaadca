import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import { randomText } from '../../base/random.ts';

/** What the demo remembers between two starts, in files that only their owner can read. */
export interface Kept {
  passwordFile: string;
  password: string;
  apiTokenFile: string;
  apiToken: string;
}

async function kept(path: string, make: () => string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    const text = make();
    await writeFileAtomic(path, `${text}\n`, { mode: 0o600 });
    return text;
  }
}

/** The admin's password and API token of this demo: made at its first start. */
export async function keepSecrets(folder: string): Promise<Kept> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const passwordFile = join(folder, 'admin-password');
  const apiTokenFile = join(folder, 'api-token');
  return {
    passwordFile,
    password: await kept(passwordFile, () => randomText(20)),
    apiTokenFile,
    apiToken: await kept(apiTokenFile, () => `vmo_${randomText(40)}`),
  };
}

/** The port of the last start, so that the address stays the same. */
export async function keepPort(folder: string, asked: number | undefined, fallback: number): Promise<number> {
  const path = join(folder, 'port');
  const before = Number(await kept(path, () => String(asked ?? fallback)));
  if (asked === undefined || asked === before) return before;
  await writeFileAtomic(path, `${asked}\n`, { mode: 0o600 });
  return asked;
}
