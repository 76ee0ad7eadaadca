import { basename, dirname } from 'node:path';
import { type Logger, multistream, pino, stdTimeFunctions } from 'pino';
import { createStream, type RotatingFileStream } from 'rotating-file-stream';

export type { Logger } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LoggerOptions {
  level: LogLevel;
  name: string;
  /** Other levels for parts of the program, by the names that they have in `module`. */
  modules?: Readonly<Record<string, LogLevel | undefined>> | undefined;
  /** Lines to this stream, for the journal or a terminal. */
  stream?: NodeJS.WritableStream | undefined;
  /** And to this file, rotated by size; `maxFiles` old ones are kept. */
  file?: { path: string; maxBytes: number; maxFiles: number } | undefined;
  onFileError?: (error: Error) => void;
}

/** Keys whose values never reach a log line, at the top or one level down. */
const REDACTED = [
  'token',
  'provisioning_token',
  'api_key',
  'apiKey',
  'password',
  'secret',
  'authorization',
  'cookie',
  'key',
  'private_key',
  'csr',
];

/** Longest text that a line keeps of each value when the line as a whole is too long, and what is too long. */
const MAX_VALUE = 2000;
const MAX_LINE = 32 * 1024;
const MAX_VALUES = 64;

/** JSON allows these as they are; what reads logs by lines, or shows them on a terminal, takes them for line ends or controls. */
const UNSAFE = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function shortened(value: unknown, depth = 0): unknown {
  if (typeof value === 'string')
    return value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}… (${value.length} characters)` : value;
  if (typeof value !== 'object' || value === null) return value;
  if (depth > 3) return '…';
  if (Array.isArray(value)) return value.slice(0, MAX_VALUES).map((item) => shortened(item, depth + 1));
  const members = Object.entries(value).slice(0, MAX_VALUES);
  return Object.fromEntries(
    members.map(([key, item]) => [key.slice(0, MAX_VALUE), shortened(item, depth + 1)]),
  );
}

/** What strangers say of themselves gets into logs: each entry stays one line, of a length that somebody can read. */
function safeLine(line: string): string {
  const short = line.length > MAX_LINE ? `${JSON.stringify(shortened(JSON.parse(line)))}\n` : line;
  return short.replace(UNSAFE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** `agent.log`, then `agent.log.1` … `agent.log.N`, the oldest last, as logrotate names them. */
function rotatingFile({ path, maxBytes, maxFiles }: NonNullable<LoggerOptions['file']>): RotatingFileStream {
  const name = basename(path);
  // Its numbering begins at 1 with the first rotated file; without one it is the file that is written.
  return createStream((index) => (typeof index === 'number' && index > 0 ? `${name}.${index}` : name), {
    path: dirname(path),
    size: `${maxBytes}B`,
    rotate: Math.max(1, maxFiles),
    mode: 0o640,
  });
}

/** After a failure the file is tried again this often (ms). */
const RETRY_MS = 5000;

/**
 * The rotated file, which can be opened anew. Lines that come meanwhile wait, so that none is lost. While the disk
 * takes nothing they are dropped and counted, and the file says how many once it can be written again.
 */
class LogFile {
  readonly #options: NonNullable<LoggerOptions['file']>;
  readonly #onError: (error: Error) => void;
  #current: RotatingFileStream | undefined;
  #failed = false;
  #dropped = 0;
  #waiting: string[] = [];
  #reopened: Promise<void> = Promise.resolve();

  constructor(options: NonNullable<LoggerOptions['file']>, onError: (error: Error) => void) {
    this.#options = options;
    this.#onError = onError;
    this.#current = this.#open();
  }

  write(line: string): void {
    if (this.#failed) this.#dropped++;
    else if (this.#current === undefined) this.#waiting.push(line);
    else this.#current.write(line);
  }

  reopen(): Promise<void> {
    this.#reopened = this.#reopened.then(async () => {
      await this.#end();
      const next = this.#open();
      this.#current = next;
      for (const line of this.#waiting.splice(0)) next.write(line);
      await new Promise<unknown>((resolve) => next.once('open', resolve).once('error', resolve));
    });
    return this.#reopened;
  }

  async close(): Promise<void> {
    await this.#reopened;
    await this.#end();
  }

  #open(): RotatingFileStream {
    const stream = rotatingFile(this.#options);
    stream.on('error', (error: Error) => this.#onFailure(stream, error));
    stream.once('open', () => this.#onOpen(stream));
    return stream;
  }

  /** A stream that failed once takes nothing any more. */
  #onFailure(stream: RotatingFileStream, error: Error): void {
    if (stream !== this.#current) return;
    this.#current = undefined;
    this.#dropped++;
    if (!this.#failed) this.#onError(error);
    this.#failed = true;
    setTimeout(() => {
      this.#current ??= this.#open();
    }, RETRY_MS).unref();
  }

  #onOpen(stream: RotatingFileStream): void {
    if (!this.#failed || stream !== this.#current) return;
    // An open file says nothing of a full disk: it has to take this line first.
    const lost = { level: 'warn', time: new Date().toISOString(), msg: 'lines of the log were lost here' };
    stream.write(`\n${JSON.stringify({ ...lost, lines: this.#dropped })}\n`, (error?: Error | null) => {
      if (error || stream !== this.#current) return;
      this.#failed = false;
      this.#dropped = 0;
    });
  }

  #end(): Promise<void> {
    const ending = this.#current;
    this.#current = undefined;
    return new Promise((resolve) => (ending === undefined ? resolve() : ending.end(() => resolve())));
  }
}

export interface Levels {
  level: LogLevel;
  modules?: LoggerOptions['modules'];
}

export interface Logging {
  log: Logger;
  /** From the next line on, for the loggers of all modules. */
  setLevels(levels: Levels): void;
  /** Writes on to the file's name, after somebody moved or removed the file. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** Finds the modules of a logger, whether it is the whole program's or already one module's. */
const moduleTables = new WeakMap<Logger, (name: string) => Logger>();

/** The logger of one part: its lines say `module`, and its level is that of `modules`. */
export const moduleLogger = (log: Logger, name: string): Logger =>
  moduleTables.get(log)?.(name) ?? log.child({ module: name });

/** JSON lines, RFC 3339 times. The caller owns the streams' life: call `close` of the result last. */
export function createLogger(options: LoggerOptions): Logging {
  const file = options.file && new LogFile(options.file, (error) => options.onFileError?.(error));
  // The loggers' own levels decide, since those can change.
  const streams = [options.stream, file]
    .filter((stream) => stream !== undefined)
    .map((stream) => ({ stream, level: 'trace' as const }));
  const log = pino(
    {
      name: options.name,
      level: options.level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' },
      base: { name: options.name },
      hooks: { streamWrite: safeLine },
    },
    multistream(streams),
  );
  let levels: Levels = options;
  const children = new Map<string, Logger>();
  const levelOf = (name: string) => levels.modules?.[name] ?? levels.level;
  const moduleOf = (name: string): Logger => {
    const known = children.get(name);
    if (known !== undefined) return known;
    const child = log.child({ module: name }, { level: levelOf(name) });
    children.set(name, child);
    moduleTables.set(child, moduleOf);
    return child;
  };
  moduleTables.set(log, moduleOf);
  return {
    log,
    setLevels(next) {
      levels = next;
      log.level = next.level;
      for (const [name, child] of children) child.level = levelOf(name);
    },
    reopen: async () => file?.reopen(),
    close: async () => file?.close(),
  };
}

export const silentLogger: Logger = pino({ level: 'silent' });
