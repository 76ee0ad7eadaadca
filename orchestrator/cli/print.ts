import { getSystemErrorMap } from 'node:util';
import { AppError } from '../../protocol/errors.ts';
import type { AdminAnswer, CliDeps, Output } from './deps.ts';

/** Our output could not be written. The message says which and why, for people. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
  /** Whoever read it has gone (`… | head`): there is nobody left to write for. */
  readonly closed: boolean;
  /** What to do about what is lost. */
  hint: string | undefined;

  constructor(output: Output, cause: NodeJS.ErrnoException) {
    const closed = cause.code === 'EPIPE' || cause.code === 'ERR_STREAM_DESTROYED';
    const why = getSystemErrorMap().get(cause.errno ?? 0)?.[1] ?? cause.message;
    const stream = output.fd === 2 ? 'stderr' : 'stdout';
    super(`${stream} cannot be written: ${closed ? 'nobody reads it any more' : why}`, { cause });
    this.closed = closed;
  }
}

/**
 * Resolves when the reader has taken the bytes: a slow one slows us, and nothing piles up.
 * @throws OutputError when the reader has gone, or the disk is full.
 */
export const write = (output: Output, data: string | Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    output.write(data, (cause) => (cause ? reject(new OutputError(output, cause)) : resolve()));
  });

/** Shows a token, once: where that fails, the error says how to end the token whose text nobody has. */
export async function showToken<T>(
  id: string,
  show: () => Promise<T>,
  noun: 'token' | 'api-tokens' = 'token',
): Promise<T> {
  try {
    return await show();
  } catch (cause) {
    const hint = `The token ${id} was made, and its text is lost. End it: vm-orchestrator ${noun} revoke ${id}`;
    if (cause instanceof OutputError) cause.hint = hint;
    else if (cause instanceof AppError)
      throw new AppError(cause.code, { detail: cause.message, hint, cause });
    throw cause;
  }
}

export const printJson = (output: Output, value: unknown): Promise<void> =>
  write(output, `${JSON.stringify(value)}\n`);

/** Credentials go to stdout, for programs; what a person should know about them to stderr. */
export async function printCredentials(deps: CliDeps, { credentials, notes }: AdminAnswer): Promise<void> {
  for (const note of notes) deps.stderr.write(`vm-orchestrator: ${note}\n`);
  await printJson(deps.stdout, credentials);
}

/** A time in a table: ISO 8601 with its zone, to the second. */
export const timeText = (time: string): string => `${time.slice(0, 19)}Z`;

export const labelsText = (labels: Readonly<Record<string, string>>, prefix = ''): string =>
  Object.entries(labels)
    .map(([key, value]) => `${prefix}${key}=${value}`)
    .join(',');

/** Text from a VM may hold control sequences; in a table it holds none. */
const plain = (text: string): string => text.replace(/\p{Cc}/gu, '?');

/** Columns as wide as their widest cell; the last one as it is. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows.map((row) => row.map(plain))];
  const widths = header.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}
