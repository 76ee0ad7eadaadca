import { basename, dirname } from 'node:path';
import { type Logger, multistream, pino, stdTimeFunctions } from 'pino';
import { createStream, type RotatingFileStream } from 'rotating-file-stream';

export type { Logger } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LoggerOptions {
  level: LogLevel;
  name: string;
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

/** JSON lines, RFC 3339 times. The caller owns the streams' life: call `close` of the result last. */
export function createLogger(options: LoggerOptions): { log: Logger; close(): Promise<void> } {
  const file = options.file && rotatingFile(options.file);
  file?.on('error', (error: Error) => options.onFileError?.(error));
  const streams = [options.stream, file]
    .filter((stream) => stream !== undefined)
    .map((stream) => ({ stream, level: options.level === 'silent' ? ('fatal' as const) : options.level }));
  const log = pino(
    {
      name: options.name,
      level: options.level,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED.flatMap((key) => [key, `*.${key}`]), censor: '[redacted]' },
      base: { name: options.name },
    },
    multistream(streams),
  );
  return {
    log,
    close: () => new Promise((resolve) => (file === undefined ? resolve() : file.end(() => resolve()))),
  };
}

export const silentLogger: Logger = pino({ level: 'silent' });
