import type { ProtectedPaths } from '../files/access.ts';

/** What every file tool needs to know of its VM. */
export interface FileToolOptions {
  enabled: boolean;
  /** Bytes of a file that is written, edited or read as a whole. */
  maxFileSize: number;
  protectedPaths: ProtectedPaths;
}

/** Octal permission bits, as chmod takes them. */
export const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(3, '0');
