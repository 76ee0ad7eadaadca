import type { LogLevelName } from '../../../protocol/log-tools.ts';
import type { DetectedFormat } from './types.ts';

/** What a reader found out about an event. Filled by `read`, perhaps completed by `more`, then used again. */
export interface LogRecord {
  timeMs: number | undefined;
  /** Undefined where there is no field for it. */
  level: LogLevelName | undefined;
  host: string | undefined;
  process: string | undefined;
  pid: string | undefined;
  thread: string | undefined;
  component: string | undefined;
  message: string;
  /** What patterns are made of, from `minedAt` on. */
  mined: string;
  minedAt: number;
  /** A constant that sets patterns apart. */
  suffix: string;
  /** Lines that the first line holds itself, as a stack in a field. */
  held: string[];
}

export const createRecord = (): LogRecord => ({
  timeMs: undefined,
  level: undefined,
  host: undefined,
  process: undefined,
  pid: undefined,
  thread: undefined,
  component: undefined,
  message: '',
  mined: '',
  minedAt: 0,
  suffix: '',
  held: [],
});

export function clearRecord(record: LogRecord): void {
  record.timeMs = undefined;
  record.level = undefined;
  record.host = undefined;
  record.process = undefined;
  record.pid = undefined;
  record.thread = undefined;
  record.component = undefined;
  record.message = '';
  record.mined = '';
  record.minedAt = 0;
  record.suffix = '';
  if (record.held.length > 0) record.held = [];
}

/** Reads one format. */
export interface LineReader {
  /** False where the line belongs to the event before it; `record` is cleared before. */
  read(line: string, record: LogRecord): boolean;
  /** A line that belongs to an event: true where the reader took what it says into the record. */
  more?(line: string, record: LogRecord): boolean;
  format(): DetectedFormat;
}

/** Plain text, or a field with text, as message and as what patterns are made of. */
export function setMessage(record: LogRecord, message: string): void {
  record.message = message;
  record.mined = message;
  record.minedAt = 0;
}
