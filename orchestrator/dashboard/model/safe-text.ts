/**
 * Text that came from a VM is data: whoever runs a program there chooses every character of it. Escaping for HTML is
 * the renderer's part; this file takes care of what stays dangerous as plain text: terminal sequences, controls,
 * and characters that are invisible or turn the reading direction (CVE-2021-42574).
 */

const MAX_CSI = 64;
/** A terminal string (OSC, DCS …) that is longer than this, or meets a line's end, was never one: the rest is text. */
const MAX_STRING = 4096;

const between = (code: number, low: number, high: number): boolean => code >= low && code <= high;

// Letters, not control pictures: few fonts have those.
const C0 =
  'NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US'.split(
    ' ',
  );

/** What stands for a character that would not be seen or that moves others; undefined for ordinary ones. */
function standIn(code: number): string | undefined {
  if (code < 0x20) return `‹${C0[code]}›`;
  if (code < 0x7f) return undefined;
  if (code === 0x7f) return '‹DEL›';
  const hidden =
    between(code, 0x80, 0x9f) ||
    code === 0xad ||
    code === 0x61c ||
    code === 0x180e ||
    code === 0x200b ||
    between(code, 0x200e, 0x200f) ||
    between(code, 0x2028, 0x202e) ||
    between(code, 0x2060, 0x206f) ||
    code === 0xfeff ||
    between(code, 0xfff9, 0xfffb) ||
    between(code, 0xe0000, 0xe007f);
  return hidden ? `‹U+${code.toString(16).toUpperCase().padStart(4, '0')}›` : undefined;
}

function showHidden(text: string, kept: string): string {
  let result = '';
  let from = 0;
  for (let at = 0; at < text.length; ) {
    const code = text.codePointAt(at) ?? 0;
    const width = code > 0xffff ? 2 : 1;
    const shown = standIn(code);
    if (shown !== undefined && !kept.includes(text.charAt(at))) {
      result += text.slice(from, at) + shown;
      from = at + width;
    }
    at += width;
  }
  return from === 0 ? text : result + text.slice(from);
}

/** For names, labels and other single lines: every control character is shown. */
export const safeLine = (text: string): string => showHidden(text, '');

/** For text of several lines that is no terminal output, like the command that somebody wrote. */
export const safeLines = (text: string): string => showHidden(text.replaceAll('\r\n', '\n'), '\n\t');

type Mode = 'text' | 'return' | 'escape' | 'csi' | 'string' | 'string-escape';

/**
 * A function that takes the pieces of one stream and gives back what to show: terminal sequences are left out, also
 * those cut in two by a piece's end; a carriage return alone, which would let a line hide the one before, ends the line visibly.
 */
export function createOutputCleaner(): (piece: string) => string {
  let mode: Mode = 'text';
  let length = 0;

  /** Consumes one character of a sequence. False: it does not belong to it and has to be read as text. */
  function consume(code: number): boolean {
    length += 1;
    switch (mode) {
      case 'escape':
        if (code === 0x5b) mode = 'csi';
        else if ([0x5d, 0x50, 0x58, 0x5e, 0x5f].includes(code)) mode = 'string';
        else if (between(code, 0x30, 0x7e)) mode = 'text';
        else if (!between(code, 0x20, 0x2f) || length > MAX_CSI) return false;
        return true;
      case 'csi':
        if (between(code, 0x40, 0x7e)) mode = 'text';
        else if (!between(code, 0x20, 0x3f) || length > MAX_CSI) return false;
        return true;
      case 'string':
        if (code === 0x07) mode = 'text';
        else if (code === 0x1b) mode = 'string-escape';
        else if (code === 0x0a || length > MAX_STRING) return false;
        return true;
      case 'string-escape':
        mode = 'text';
        return code === 0x5c;
      default:
        return false;
    }
  }

  return (piece) => {
    let result = '';
    let from = 0;
    for (let at = 0; at < piece.length; at++) {
      const code = piece.charCodeAt(at);
      if (mode === 'return') {
        mode = 'text';
        if (code !== 0x0a) result += '‹CR›\n';
      } else if (mode !== 'text') {
        if (consume(code)) {
          from = at + 1;
          continue;
        }
        mode = 'text';
      }
      if (code !== 0x1b && code !== 0x0d) continue;
      result += showHidden(piece.slice(from, at), '\n\t');
      from = at + 1;
      mode = code === 0x1b ? 'escape' : 'return';
      length = 0;
    }
    return result + showHidden(piece.slice(from), '\n\t');
  };
}
