import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { DiskLayout } from '../../protocol/disk-layout.ts';
import { AppError } from '../../protocol/errors.ts';

/**
 * One upgrade at a time. The lock is the kernel's, on an open file, and ends with the process however that ends.
 * @throws AppError `conflict`
 */
export function holdUpgrades(layout: DiskLayout): { release(): void } {
  const lock = new DatabaseSync(join(layout.versions, '.upgrade.lock'), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    lock.close();
    throw new AppError('conflict', {
      detail: 'Another upgrade is under way on this machine.',
      hint: 'Wait for its end; vm-agent upgrade --status shows how far it is.',
      cause,
    });
  }
  return { release: () => lock.close() };
}
