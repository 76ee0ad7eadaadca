import { visible } from '../table.ts';
import type { LogReader } from './reader.ts';

/** The last lines of a file, byte for byte; a terminal is protected from what they hold. `lines` 0: all of them. */
export async function printLines(
  reader: LogReader,
  path: string,
  lines: number,
  stdout: NodeJS.WriteStream,
): Promise<void> {
  let ended = true;
  for await (const piece of piecesOf(reader, path, lines)) {
    const shown = stdout.isTTY ? piece.split('\n').map(visible).join('\n') : piece;
    if (piece !== '') ended = piece.endsWith('\n');
    await new Promise<void>((done) => stdout.write(shown, () => done()));
  }
  if (!ended) stdout.write('\n');
}

/** An answer holds a limited part of a file: the first begins at the wanted line, the others where the last ended. */
async function* piecesOf(reader: LogReader, path: string, lines: number): AsyncGenerator<string> {
  const first =
    lines === 0 ? { unit: 'bytes' as const, offset: 0, limit: 65_536 } : { offset: -lines, limit: lines };
  let piece = await reader.readFile({ file_path: path, ...first });
  yield piece.content;
  for (const end = piece.size; piece.end_byte < end; ) {
    const offset = piece.end_byte;
    piece = await reader.readFile({
      file_path: path,
      unit: 'bytes',
      offset,
      limit: Math.min(end - offset, 65_536),
    });
    if (piece.end_byte <= offset) return;
    yield piece.content;
  }
}
