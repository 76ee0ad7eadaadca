import type { AnalyzeLog, LogLevelName } from '../../protocol/log-tools.ts';

export type LogFormat = AnalyzeLog['format'];

export interface LogRecord {
  format: LogFormat;
  level: LogLevelName;
  /** Milliseconds since the epoch. */
  time: number | undefined;
  message: string;
}

const LEVELS: Readonly<Record<string, LogLevelName>> = {
  emerg: 'fatal',
  panic: 'fatal',
  alert: 'fatal',
  crit: 'fatal',
  critical: 'fatal',
  fatal: 'fatal',
  err: 'error',
  error: 'error',
  severe: 'error',
  warn: 'warning',
  warning: 'warning',
  notice: 'info',
  info: 'info',
  information: 'info',
  debug: 'debug',
  trace: 'debug',
  verbose: 'debug',
};
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const ACCESS =
  /^\S+ \S+ \S+ \[(\d{2})\/(\w{3})\/(\d{4}):(\d{2}:\d{2}:\d{2}) ([+-]\d{4})\] "([^"]{0,2000})" (\d{3}) /;
const SYSLOG =
  /^(?:<\d{1,3}>)?(\w{3}) {1,2}(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) \S+ ([^:[\s]{1,100})(?:\[\d+\])?: ?(.*)$/;
const SYSLOG_ISO =
  /^(?:<\d{1,3}>\d? ?)?(\d{4}-\d{2}-\d{2}T[\d:.]{8,18}(?:Z|[+-]\d{2}:?\d{2})?) \S+ ([^:[\s]{1,100})(?:\[\d+\])?: ?(.*)$/;
const TIME =
  /(\d{4})[-/](\d{2})[-/](\d{2})[T ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,3})\d*)?\s?(Z|[+-]\d{2}:?\d{2})?/;
/** A level as programs write it: in capitals, in brackets, or as a value of `level`. */
const NAMED =
  /\b(EMERG|PANIC|ALERT|CRIT|CRITICAL|FATAL|ERR|ERROR|SEVERE|WARN|WARNING|NOTICE|INFO|DEBUG|TRACE)\b|(?:\[|<|\blevel=|\bseverity=)"?(?:\w{1,30}:)?(emerg|alert|crit|critical|fatal|err|error|warn|warning|notice|info|debug|trace)\b/;
/** Without one, what the text says. */
const SAYS_FATAL = /\b(?:panic|segfault|out of memory|fatal)\b/i;
const SAYS_ERROR = /\b(?:error|failed|failure|exception|traceback|denied|refused|cannot|unable to)\b/i;
const SAYS_WARNING = /\b(?:warn|warning|deprecated|timed out|retrying)\b/i;

/** What one line says; lines of no known form are plain. `now` gives syslog's times their year. */
export function parseLine(line: string, now: number): LogRecord {
  return json(line) ?? access(line) ?? syslog(line, now) ?? plain(line);
}

function json(line: string): LogRecord | undefined {
  if (!line.startsWith('{')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const fields = value as Record<string, unknown>;
  const first = (...names: string[]) =>
    names.map((name) => fields[name]).find((found) => found !== undefined);
  const message = first('msg', 'message', 'MESSAGE', 'log', 'event', 'error');
  const text = typeof message === 'string' ? message : line;
  return {
    format: 'json',
    level:
      jsonLevel(first('level', 'severity', 'lvl', 'levelname', 'log.level', 'PRIORITY')) ?? levelOf(text),
    time: jsonTime(first('time', 'timestamp', '@timestamp', 'ts', 'date')),
    message: text,
  };
}

function jsonLevel(value: unknown): LogLevelName | undefined {
  if (typeof value === 'string')
    return LEVELS[value.toLowerCase()] ?? (/^\d$/.test(value) ? syslogLevel(Number(value)) : undefined);
  if (typeof value !== 'number') return undefined;
  if (value < 8) return syslogLevel(value);
  // As pino and bunyan number them.
  return value >= 60
    ? 'fatal'
    : value >= 50
      ? 'error'
      : value >= 40
        ? 'warning'
        : value >= 30
          ? 'info'
          : 'debug';
}

const syslogLevel = (value: number): LogLevelName =>
  value <= 2 ? 'fatal' : value === 3 ? 'error' : value === 4 ? 'warning' : value <= 6 ? 'info' : 'debug';

function jsonTime(value: unknown): number | undefined {
  if (typeof value === 'string') return validTime(Date.parse(value));
  if (typeof value !== 'number') return undefined;
  // Seconds, milliseconds, microseconds or nanoseconds, by their size.
  return validTime(
    value < 1e11 ? value * 1000 : value < 1e14 ? value : value < 1e17 ? value / 1e3 : value / 1e6,
  );
}

function access(line: string): LogRecord | undefined {
  const match = ACCESS.exec(line);
  if (match === null) return undefined;
  const [, day, month = '', year, clock, zone = '', request = '', status] = match;
  const code = Number(status);
  const at = `${year}-${String(MONTHS.indexOf(month) + 1).padStart(2, '0')}-${day}T${clock}${zone.slice(0, 3)}:${zone.slice(3)}`;
  return {
    format: 'access',
    level: code >= 500 ? 'error' : code >= 400 ? 'warning' : 'info',
    time: validTime(Date.parse(at)),
    message: `${request.replace(/\?\S*/, '?…')} → ${status}`,
  };
}

function syslog(line: string, now: number): LogRecord | undefined {
  const iso = SYSLOG_ISO.exec(line);
  if (iso !== null) {
    const [, at = '', program, text = ''] = iso;
    return {
      format: 'syslog',
      level: levelOf(text),
      time: validTime(Date.parse(at)),
      message: `${program}: ${text}`,
    };
  }
  const match = SYSLOG.exec(line);
  if (match === null) return undefined;
  const [, month = '', day, hours, minutes, seconds, program, text = ''] = match;
  const index = MONTHS.indexOf(month);
  if (index < 0) return undefined;
  const year = new Date(now).getFullYear();
  const inYear = (y: number) =>
    new Date(y, index, Number(day), Number(hours), Number(minutes), Number(seconds)).getTime();
  // No year is written; a line of the coming weeks is one of last December.
  const time = inYear(year) > now + 86_400_000 ? inYear(year - 1) : inYear(year);
  return { format: 'syslog', level: levelOf(text), time: validTime(time), message: `${program}: ${text}` };
}

function plain(line: string): LogRecord {
  const match = TIME.exec(line.slice(0, 200));
  if (match === null) return { format: 'plain', level: levelOf(line), time: undefined, message: line };
  const [whole, year, month, day, clock, fraction = '0', zone = ''] = match;
  const time = Date.parse(`${year}-${month}-${day}T${clock}.${fraction}${zone}`);
  const message = line.slice(match.index + whole.length).replace(/^[\s\]|:,-]+/, '');
  return {
    format: 'plain',
    level: levelOf(line),
    time: validTime(time),
    message: match.index < 40 && message !== '' ? message : line,
  };
}

function levelOf(text: string): LogLevelName {
  const named = NAMED.exec(text);
  const name = named?.[1] ?? named?.[2];
  if (name !== undefined) return LEVELS[name.toLowerCase()] ?? 'unknown';
  if (SAYS_FATAL.test(text)) return 'fatal';
  if (SAYS_ERROR.test(text)) return 'error';
  return SAYS_WARNING.test(text) ? 'warning' : 'unknown';
}

const validTime = (ms: number): number | undefined =>
  Number.isFinite(ms) && ms > 0 && ms < 8.64e15 ? ms : undefined;
