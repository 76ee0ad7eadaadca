import type { Stream } from '../../../protocol/command.ts';

/** A run of text of one stream; never changed once another follows it. */
export interface Block {
  readonly id: number;
  readonly stream: Stream | 'note';
  readonly text: string;
}

/** What is shown of a command's output: the last `limit` characters, in the order in which they came. */
export interface OutputLog {
  limit: number;
  blocks: Block[];
  /** Characters held, and characters let go of at the front. */
  held: number;
  cut: number;
  nextId: number;
}

/** One block is one text node that the browser lays out anew when it grows, so it must stay small. */
const BLOCK_CHARS = 8 * 1024;

export const createOutputLog = (limit: number): OutputLog => ({
  limit,
  blocks: [],
  held: 0,
  cut: 0,
  nextId: 1,
});

export function appendOutput(log: OutputLog, stream: Block['stream'], text: string): void {
  // More than can be shown in one piece: its front would be cut at once.
  const skipped = Math.max(0, text.length - log.limit);
  log.cut += skipped;
  let rest = text.slice(skipped);
  while (rest !== '') {
    const last = log.blocks.at(-1);
    const open = last?.stream === stream ? last : undefined;
    const part = takePart(
      rest,
      open === undefined ? 0 : open.text.length,
      open?.text.endsWith('\n') ?? false,
    );
    if (part === '' || open === undefined) {
      const whole = part === '' ? takePart(rest, 0, false) : part;
      log.blocks.push({ id: log.nextId++, stream, text: whole });
      log.held += whole.length;
      rest = rest.slice(whole.length);
    } else {
      log.blocks[log.blocks.length - 1] = { ...open, text: open.text + part };
      log.held += part.length;
      rest = rest.slice(part.length);
    }
  }
  trim(log);
}

/**
 * What of `text` a block of `size` characters still takes: whole lines if it can be, nothing when a line would be
 * begun that does not fit. Only a line longer than a block is cut inside.
 */
function takePart(text: string, size: number, atLineStart: boolean): string {
  const room = Math.max(0, BLOCK_CHARS - size);
  if (text.length <= room) return text;
  const lineEnd = room === 0 ? -1 : text.lastIndexOf('\n', room - 1);
  if (lineEnd >= 0) return text.slice(0, lineEnd + 1);
  if (atLineStart || room === 0) return '';
  // A pair of surrogates stays together.
  const high = text.charCodeAt(room - 1);
  return text.slice(0, high >= 0xd800 && high <= 0xdbff ? room - 1 : room);
}

function trim(log: OutputLog): void {
  while (log.held > log.limit && log.blocks.length > 1) {
    const [first] = log.blocks.splice(0, 1);
    log.held -= first?.text.length ?? 0;
    log.cut += first?.text.length ?? 0;
  }
}

/** Lowers what may be held, as when many commands share the page. */
export function limitOutput(log: OutputLog, limit: number): void {
  log.limit = limit;
  trim(log);
}
