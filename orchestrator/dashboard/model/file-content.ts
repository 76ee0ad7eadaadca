/** What can be shown and edited in the page; larger files are downloaded. */
export const MAX_SHOWN_BYTES = 256 * 1024;
const HEX_ROW = 16;
const MAX_HEX_BYTES = 4096;

export type FileContent = { kind: 'text'; text: string } | { kind: 'binary'; hex: string };

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

/** Text, if it is UTF-8 without NUL bytes; `cut`: the bytes end somewhere in the file, maybe within a character. */
export function contentOf(bytes: Uint8Array, cut: boolean): FileContent {
  if (!bytes.includes(0)) {
    for (let back = 0; back <= (cut ? 3 : 0); back++) {
      try {
        return { kind: 'text', text: strict.decode(bytes.subarray(0, bytes.length - back)) };
      } catch {
        // A character may be cut at the end; three bytes less, and it is not.
      }
    }
  }
  return { kind: 'binary', hex: hexOf(bytes.subarray(0, MAX_HEX_BYTES)) };
}

/** Like `hexdump -C`: where, the bytes, and those of them that are printable. */
export function hexOf(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += HEX_ROW) {
    const row = bytes.subarray(at, at + HEX_ROW);
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0'));
    const text = lenient.decode(row.map((byte) => (byte >= 0x20 && byte < 0x7f ? byte : 0x2e)));
    rows.push(
      `${at.toString(16).padStart(8, '0')}  ${hex.slice(0, 8).join(' ').padEnd(23)}  ${hex.slice(8).join(' ').padEnd(23)}  ${text}`,
    );
  }
  return rows.join('\n');
}

/** How a file ends its lines: an editor of the browser knows LF alone, and what is saved must be as it was. */
export function lineEndOf(text: string): '\n' | '\r\n' {
  const lines = text.split('\n').length - 1;
  const windows = text.split('\r\n').length - 1;
  return lines > 0 && windows === lines ? '\r\n' : '\n';
}

export const toEditor = (text: string): string => text.replaceAll('\r\n', '\n');
export const fromEditor = (text: string, lineEnd: '\n' | '\r\n'): string =>
  lineEnd === '\n' ? text : text.replaceAll('\n', '\r\n');
