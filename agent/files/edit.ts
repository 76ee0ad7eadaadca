/** Replacing exact text in a file's bytes: nothing is decoded, so what is not touched stays as it is, valid or not. */
import { AppError } from '../../protocol/errors.ts';

/** A replaced piece: where in the old bytes, and how long. */
export interface Replaced {
  at: number;
  length: number;
}

export interface Edit {
  bytes: Buffer;
  replaced: Replaced[];
  /** What stands there now, in the file's own line ends. */
  replacement: Buffer;
}

/** More than this is not an edit but a conversion. */
const MAX_REPLACEMENTS = 100_000;

/**
 * Replaces `oldText`, which must be there exactly once, or all of them. In a file whose lines all end in CRLF both
 * texts are taken in CRLF. @throws AppError `not_found`, `conflict` (several), `bad_request`.
 */
export function applyEdit(
  bytes: Buffer,
  options: { path: string; oldText: string; newText: string; replaceAll: boolean },
): Edit {
  const { path, oldText, newText, replaceAll } = options;
  if (oldText === newText)
    throw new AppError('bad_request', {
      detail: 'old_text and new_text are the same; there is nothing to change.',
    });
  let ends: (text: string) => string = isAllCrlf(bytes) ? toCrlf : (text) => text;
  let replaced = findAll(bytes, Buffer.from(ends(oldText)));
  if (replaced.length === 0 && oldText.includes('\n') && bytes.includes('\r\n')) {
    // Mixed line ends: this place may have the other kind.
    const crlf = findAll(bytes, Buffer.from(toCrlf(oldText)));
    if (crlf.length > 0) {
      ends = toCrlf;
      replaced = crlf;
    }
  }
  if (replaced.length === 0) throw notThere(bytes, path, oldText);
  if (replaced.length > 1 && !replaceAll)
    throw new AppError('conflict', {
      detail: `old_text is in ${path} ${replaced.length} times (lines ${linesOf(bytes, replaced.slice(0, 5)).join(', ')}${replaced.length > 5 ? ', …' : ''}); nothing was changed.`,
      hint: 'Give more of what surrounds the one that is meant, or set replace_all.',
    });
  const replacement = Buffer.from(ends(newText));
  const pieces: Buffer[] = [];
  let from = 0;
  for (const { at, length } of replaced) {
    pieces.push(bytes.subarray(from, at), replacement);
    from = at + length;
  }
  pieces.push(bytes.subarray(from));
  return { bytes: Buffer.concat(pieces), replaced, replacement };
}

const toCrlf = (text: string): string => text.replace(/\r?\n/g, '\r\n');

/** Whether every line end of the file is CRLF. */
function isAllCrlf(bytes: Buffer): boolean {
  let at = bytes.indexOf(10);
  if (at < 0) return false;
  for (; at >= 0; at = bytes.indexOf(10, at + 1)) if (at === 0 || bytes[at - 1] !== 13) return false;
  return true;
}

function findAll(bytes: Buffer, wanted: Buffer): Replaced[] {
  const found: Replaced[] = [];
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + wanted.length)) {
    found.push({ at, length: wanted.length });
    if (found.length > MAX_REPLACEMENTS)
      throw new AppError('bad_request', {
        detail: `old_text is found more than ${MAX_REPLACEMENTS} times.`,
        hint: 'Use a command such as sed for changes of this size.',
      });
  }
  return found;
}

function linesOf(bytes: Buffer, places: readonly Replaced[]): number[] {
  let line = 1;
  let from = 0;
  return places.map(({ at }) => {
    for (let next = bytes.indexOf(10, from); next >= 0 && next < at; next = bytes.indexOf(10, next + 1))
      line++;
    from = at;
    return line;
  });
}

/** Says whether the beginning is there in another spacing: the usual reason. */
function notThere(bytes: Buffer, path: string, oldText: string): AppError {
  const first =
    oldText
      .split('\n')
      .map((line) => line.trim())
      .find((line) => line !== '') ?? '';
  const at = first === '' ? -1 : bytes.indexOf(first);
  const [line] = at < 0 ? [] : linesOf(bytes, [{ at, length: 0 }]);
  return new AppError('not_found', {
    detail: `old_text is not in ${path}; nothing was changed.`,
    hint:
      line === undefined
        ? 'It must match exactly, white space included. Read the file again.'
        : `Line ${line} has its first line, but what follows or the white space differs. Read that part again.`,
  });
}
