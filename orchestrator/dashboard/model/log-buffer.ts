/** Lines that are kept; what is older goes, and is counted. */
export const MAX_LOG_LINES = 5000;

export interface LogLine {
  id: number;
  text: string;
  /** A remark of the page between the machine's lines. */
  note?: true;
}

export interface LogBuffer {
  lines: readonly LogLine[];
  dropped: number;
  next: number;
}

export const EMPTY_LOG: LogBuffer = { lines: [], dropped: 0, next: 0 };

export function addLines(buffer: LogBuffer, texts: readonly string[], note?: true): LogBuffer {
  if (texts.length === 0) return buffer;
  const added = texts.map((text, index) => ({ id: buffer.next + index, text, ...(note ? { note } : {}) }));
  const lines = [...buffer.lines, ...added];
  const over = Math.max(0, lines.length - MAX_LOG_LINES);
  return {
    lines: over === 0 ? lines : lines.slice(over),
    dropped: buffer.dropped + over,
    next: buffer.next + texts.length,
  };
}

/** Lines that hold every word, whatever their case; a word that begins with `-` must not occur. */
export function filterLines(lines: readonly LogLine[], filter: string): readonly LogLine[] {
  const words = filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '' && word !== '-');
  if (words.length === 0) return lines;
  return lines.filter(({ text, note }) => {
    const low = text.toLowerCase();
    return (
      note === true ||
      words.every((word) => (word.startsWith('-') ? !low.includes(word.slice(1)) : low.includes(word)))
    );
  });
}

/** A file when it begins with `/`, else a systemd unit; undefined when it can be neither. */
export function logSourceOf(text: string): { log_path: string } | { unit: string } | undefined {
  const name = text.trim();
  if (name.startsWith('/')) return { log_path: name };
  return /^[A-Za-z0-9@_.:\\][A-Za-z0-9@_.:\\-]{0,255}$/.test(name) ? { unit: name } : undefined;
}
