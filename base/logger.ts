import { type Logger, multistream, pino, stdTimeFunctions } from 'pino';
import { createStream } from 'rotating-file-stream';

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

/** JSON lines, RFC 3339 times. The caller owns the streams' life: call `close` of the result last. */
export function createLogger(options: LoggerOptions): { log: Logger; close(): Promise<void> } {
  const file =
    options.file &&
    createStream(options.file.path.split('/').pop() ?? 'log', {
      path: options.file.path.split('/').slice(0, -1).join('/') || '/',
      size: `${options.file.maxBytes}B`,
      maxFiles: options.file.maxFiles,
      mode: 0o640,
    });
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
