import type { LogLevelName } from '../../../protocol/log-tools.ts';

/** What a variable part of a message holds; `<*>` is one whose values are of no single kind. */
export type ParameterType = 'num' | 'ip' | 'path' | 'uuid' | 'hex' | 'duration' | '*';

/** What a leading field of a line turned out to be. */
export type FieldKind = 'time' | 'level' | 'host' | 'process' | 'pid' | 'thread' | 'component' | 'other';

/** How lines of a log are built. */
export type LogFormatName =
  | 'json'
  | 'journal-json'
  | 'journal-export'
  | 'logfmt'
  | 'access'
  | 'csv'
  | 'syslog'
  | 'header'
  | 'plain';

export interface DetectedFormat {
  name: LogFormatName;
  /** The leading fields in the order of the line, or the named ones of JSON, logfmt and CSV. */
  fields: readonly { kind: FieldKind; name?: string }[];
  /** How times are written, such as `iso`, `syslog`, `epoch-ms`; undefined where lines bear none. */
  timeFormat: string | undefined;
  /** Whether the year was written, or taken from `nowMs`. */
  yearInferred: boolean;
  /** Whether a zone was written, or `toUtcMs` was asked. */
  zoneInferred: boolean;
  /** Share of the sampled lines that bear this form, 0 to 1. */
  confidence: number;
}

/** One message with all its physical lines. Sent once, in the order of the log. */
export interface LogEvent {
  /** 1-based, first physical line among those pushed. */
  line: number;
  /** Physical lines: a stack trace belongs to the line before it. */
  lines: number;
  /** Milliseconds since the epoch. */
  timeMs: number | undefined;
  level: LogLevelName;
  levelSource: 'field' | 'words' | 'none';
  host?: string;
  process?: string;
  pid?: string;
  thread?: string;
  component?: string;
  /** The first raw line. */
  text: string;
  /** Without the header. */
  message: string;
  /** The lines after the first; the longest traces are cut (`lines` still counts all). */
  continuation: readonly string[];
  /** For `LogEngine.pattern`; until `end()` two of them may still turn out to be one pattern. */
  pattern: number;
}

export interface PatternParameter {
  type: ParameterType;
  /** First values seen, up to three. */
  examples: readonly string[];
  /** Most frequent values among those kept. Counts are lower bounds once `distinct` is a lower bound. */
  top: readonly { value: string; count: number }[];
  /** Number of values kept; `more` says that there were others. */
  distinct: number;
  more: boolean;
}

export interface LogPattern {
  /** Made from the template alone, so that it is the same in every run and on every machine. */
  id: string;
  /** Variable parts as `<num>`, `<ip>`, `<path>`, `<uuid>`, `<hex>`, `<duration>` or `<*>`. */
  template: string;
  parameters: readonly PatternParameter[];
  /** Events, not lines. */
  count: number;
  index: number;
}

export interface LogEngine {
  /** One line without its line break. */
  push(line: string): void;
  /** No more lines: sends what is still held back, and settles the patterns. */
  end(): void;
  /** Sends what is held back: the sample, if it is not full yet, and an event that might go on. For growing logs. */
  flush(): void;
  format(): DetectedFormat;
  /** The pattern that `LogEvent.pattern` stands for by now. Cheap after `end()`; before it, ask rarely. */
  pattern(index: number): LogPattern;
  /** All of them, most frequent first. */
  patterns(): LogPattern[];
}

export interface LogEngineOptions {
  /** Gives times without a year theirs: none is later than a day after this. */
  nowMs: number;
  onEvent(event: LogEvent): void;
  /** UTC of a wall-clock time without a zone, both in ms; without it such times are UTC. */
  toUtcMs?: (wallMs: number) => number;
  /** Lines that the header is learned from before the first event is sent (default 2000). */
  sampleLines?: number;
  /** Patterns kept apart; rarer ones are merged beyond it (default 5000). */
  maxPatterns?: number;
}
