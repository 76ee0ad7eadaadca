export interface Column {
  title: string;
  /** Numbers stand on the right. */
  right?: boolean;
}

/** Lines with aligned columns; the last column is not padded. `bold` paints the titles. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  bold: (text: string) => string = (text) => text,
): string {
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ right }, i) => {
        const cell = cells[i] ?? '';
        if (right) return cell.padStart(widths[i] ?? 0);
        return i === columns.length - 1 ? cell : cell.padEnd(widths[i] ?? 0);
      })
      .join('  ')
      .trimEnd();
  return [bold(line(columns.map(({ title }) => title))), ...rows.map(line)]
    .map((text) => `${text}\n`)
    .join('');
}

const UNITS = ['B', 'K', 'M', 'G', 'T', 'P'] as const;

/** 1536 → 1.5K, as `ls -h` has it. */
export function humanBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)}${UNITS[unit]}`;
}

export const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`;

/** Text of the VM as a person may see it: nothing that moves the cursor or hides text. */
export const visible = (text: string): string =>
  text.replaceAll(/[\p{Cc}\u200b-\u200f\u202a-\u202e\u2066-\u2069]/gu, (c) =>
    c === '\t' ? c : `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
