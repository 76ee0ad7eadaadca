import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '../../base/atomic-file.ts';
import { type DiskLayout, installedReleaseFile, upgradeRecordFile } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  type InstalledRelease,
  installedReleaseSchema,
  type UpgradeRecord,
  upgradeRecordSchema,
} from '../../protocol/upgrade.ts';

async function readJson<T>(path: string, parse: (value: unknown) => T): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw cause;
  });
  if (text === undefined) return undefined;
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError('step_failed', {
      detail: `${path} cannot be understood.`,
      hint: `Look at it; when no upgrade is under way (systemctl status vm-agent-rollback), remove it and run the upgrade again.`,
      cause,
    });
  }
}

/** The last upgrade; undefined before the first. */
export const readUpgrade = (layout: DiskLayout): Promise<UpgradeRecord | undefined> =>
  readJson(upgradeRecordFile(layout), upgradeRecordSchema.parse);

export const writeUpgrade = (layout: DiskLayout, record: UpgradeRecord): Promise<void> =>
  writeFileAtomic(upgradeRecordFile(layout), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o644 });

export const readRelease = (layout: DiskLayout): Promise<InstalledRelease | undefined> =>
  readJson(installedReleaseFile(layout), installedReleaseSchema.parse);

/** Keeps the newest release that was ever installed here. */
export async function noteRelease(layout: DiskLayout, release: InstalledRelease): Promise<void> {
  const before = await readRelease(layout);
  if (before !== undefined && before.sequence >= release.sequence) return;
  await writeFileAtomic(installedReleaseFile(layout), `${JSON.stringify(release, null, 2)}\n`, {
    mode: 0o644,
  });
}

export const isOpen = (record: UpgradeRecord | undefined): record is UpgradeRecord =>
  record?.state === 'prepared' || record?.state === 'switched';
