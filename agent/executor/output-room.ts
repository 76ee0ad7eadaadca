import { statfsSync } from 'node:fs';

/** Share of the free space that one command's output may take. */
const FREE_SPACE_SHARE = 0.1;

/** Bytes that one command may write to its output just now. */
export function outputRoom(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return Math.floor(bavail * bsize * FREE_SPACE_SHARE);
}
