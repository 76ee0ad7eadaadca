import type { AnalyzeLog } from '../../../protocol/log-tools.ts';

/** The part of a log that is wanted. Times are ms since the epoch. */
export interface Wanted {
  /** So many of the last lines at most. */
  lines: number;
  /** Nothing before this is needed; lines before it may come all the same. */
  sinceMs?: number | undefined;
  /** The same for what is later. */
  untilMs?: number | undefined;
}

/** What was read, as the answer tells it. */
export interface ReadReport {
  logPath: string;
  size: number;
  /** Empty for the journal. */
  files: NonNullable<AnalyzeLog['files']>;
  /** Lines before those read exist, and were left out. */
  more: boolean;
  /** They were left out for their bytes, not for their number. */
  cutBySize: boolean;
  /** Number of the first line in its file, from 1, where lines are counted from a file's beginning. */
  firstLine: number | undefined;
  /** Reads the same part again, whatever was appended since. */
  anchor: string | undefined;
}

/** A part of a log, found and ready to be read, oldest line first. */
export interface LogSource extends AsyncDisposable {
  /** @throws the signal's reason, and AppErrors. */
  read(onLine: (line: string) => void): Promise<ReadReport>;
}
