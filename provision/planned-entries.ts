import {
  configFile,
  type DiskEntry,
  type DiskLayout,
  directories,
  policyFile,
  SECURITY_FILES,
  type SecurityFile,
  securityEntry,
  trustEntries,
} from '../protocol/disk-layout.ts';
import { exists } from './files.ts';

/** What an installation has on the disk, with owners and modes: all its folders, and those of its files that are there. */
export async function plannedEntries(layout: DiskLayout, mode: 'system' | 'user'): Promise<DiskEntry[]> {
  const security = (Object.keys(SECURITY_FILES) as SecurityFile[]).map((name) => securityEntry(layout, name));
  const files = [...security, ...Object.values(trustEntries(layout)), configFile(layout), policyFile(layout)];
  const present = await Promise.all(files.map(({ path }) => exists(path)));
  // In system mode systemd makes the runtime directory at each start.
  const folders = directories(layout).filter(({ path }) => mode === 'user' || path !== layout.run);
  return [...folders, ...files.filter((_, index) => present[index])];
}
