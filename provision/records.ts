import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../base/atomic-file.ts';
import { type DiskEntry, type DiskLayout, trustEntries } from '../protocol/disk-layout.ts';
import { type EnrolmentFile, enrolmentFileSchema } from '../protocol/trust-files.ts';
import { type Owners, ownerOf } from './files.ts';

/** Writes a JSON file of `trust/`. */
export async function writeRecord(entry: DiskEntry, value: unknown, owners: Owners): Promise<void> {
  await writeFileAtomic(entry.path, `${JSON.stringify(value, null, 2)}\n`, {
    mode: entry.mode,
    owner: ownerOf(entry, owners),
  });
}

/** How far the enrolment came; undefined when none was begun, or the record cannot be read. */
export async function readEnrolment(layout: DiskLayout): Promise<EnrolmentFile | undefined> {
  const text = await readFile(trustEntries(layout).enrolment.path, 'utf8').catch(
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT') return '{}';
      throw cause;
    },
  );
  try {
    return enrolmentFileSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export const writeEnrolment = (layout: DiskLayout, value: EnrolmentFile, owners: Owners): Promise<void> =>
  writeRecord(trustEntries(layout).enrolment, value, owners);
