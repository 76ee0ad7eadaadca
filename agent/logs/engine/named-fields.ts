/** What the named fields of JSON, logfmt, CSV and the journal stand for, by the names that loggers give them. */
import type { WallClock } from './clock.ts';
import { levelNamed, numericLevel } from './level.ts';
import { type LogRecord, setMessage } from './reader.ts';
import { createStamp } from './stamp.ts';
import { STAMP_FORMATS } from './stamp-formats.ts';
import type { FieldKind } from './types.ts';

export type Role = Exclude<FieldKind, 'other'> | 'message' | 'stack';

const NAMES: Readonly<Record<Role, string>> = {
  time: 'time timestamp @timestamp ts t date datetime asctime eventtime event_time created created_at __realtime_timestamp _source_realtime_timestamp timegenerated',
  level:
    'level severity lvl loglevel log_level levelname log.level severity_text severitytext priority fields.level record.level.name',
  message: 'msg message log event text body short_message fields.message err.message error.message',
  host: 'host hostname _hostname host.name server machine node computer',
  process:
    'process app application program service service.name syslog_identifier appname app_name _comm process.name',
  pid: 'pid _pid process_id process.pid syslog_pid',
  thread: 'thread threadname thread_name tid thread_id process.thread.name',
  component:
    'logger logger_name loggername name component module caller class source target log.logger category scope',
  stack:
    'stack stacktrace stack_trace exc_info exc_text exception traceback err.stack error.stack error.stack_trace',
};

const ROLES = new Map<string, Role>(
  Object.entries(NAMES).flatMap(([role, names]) =>
    names.split(' ').map((name) => [name, role as Role] as const),
  ),
);

export const roleOf = (name: string): Role | undefined => ROLES.get(name.toLowerCase());

/** Lower is better: where two fields have one role, as `time` and `created`, the one named first above is taken. */
export const rankOf = (role: Role, name: string): number =>
  NAMES[role].split(' ').indexOf(name.toLowerCase());

const stamp = createStamp();

/** Written in any of the known ways, as text or as a number. */
export function timeOfText(text: string, clock: WallClock): number | undefined {
  const digits = /^\d{9,19}(?:\.\d+)?$/.test(text);
  if (digits) return timeOfNumber(Number(text));
  for (const { read } of STAMP_FORMATS) {
    const end = read(text, 0, stamp);
    if (end > 0 && end >= text.length - 1 && stamp.hasDate && (stamp.hasClock || end === text.length))
      return clock.toMs(stamp);
  }
  return undefined;
}

/** Seconds, milliseconds, microseconds or nanoseconds, by their size. */
export function timeOfNumber(value: number): number | undefined {
  const ms = value < 1e11 ? value * 1000 : value < 1e14 ? value : value < 1e17 ? value / 1e3 : value / 1e6;
  return ms > 1e11 && ms < 8e12 ? ms : undefined;
}

/** Fills in one field of a record. The message is set as well. */
export function setRole(record: LogRecord, role: Role, value: string | number, clock: WallClock): void {
  const text = String(value);
  if (role === 'time') {
    record.timeMs ??= typeof value === 'number' ? timeOfNumber(value) : timeOfText(text, clock);
  } else if (role === 'level') {
    record.level ??= /^\d{1,2}$/.test(text) ? numericLevel(Number(text)) : levelNamed(text.trim());
  } else if (role === 'message') {
    if (record.message === '') setMessage(record, firstLine(text, record));
  } else if (role === 'stack') {
    record.held.push(...text.split('\n', MAX_HELD));
  } else record[role] ??= text;
}

const MAX_HELD = 200;

/** A message of several lines is its first one; the others are held like a stack. */
function firstLine(text: string, record: LogRecord): string {
  const trimmed = text.trimEnd();
  const end = trimmed.indexOf('\n');
  if (end < 0) return trimmed;
  record.held.unshift(...trimmed.slice(end + 1).split('\n', MAX_HELD));
  return trimmed.slice(0, end);
}
