import type { Output } from './deps.ts';

/** Whoever read our output has gone (`… | head`): there is nobody left to write for. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

/**
 * Resolves when the reader has taken the bytes: a slow one slows us, and nothing piles up.
 * @throws OutputClosed when the reader has gone.
 */
export const write = (output: Output, data: string | Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => {
    output.write(data, (cause) =>
      cause ? reject(new OutputClosed('nobody reads the output any more', { cause })) : resolve(),
    );
  });

export const printJson = (output: Output, value: unknown): Promise<void> =>
  write(output, `${JSON.stringify(value)}\n`);

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
