/** One thing that happened on a recorded terminal. */
export interface CastEvent {
  /** Seconds since the beginning; waits that are cut count as cut. */
  at: number;
  kind: 'output' | 'resize';
  text: string;
}

export interface Cast {
  cols: number;
  rows: number;
  title: string;
  events: readonly CastEvent[];
  /** Seconds. */
  duration: number;
}

const KINDS: Readonly<Record<string, CastEvent['kind']>> = { o: 'output', r: 'resize' };

/**
 * Reads an asciicast v2. A line that is cut off, as a crash leaves it, ends the recording. Longer waits than `idle`
 * seconds are cut to that. @throws Error when it is none.
 */
export function parseCast(text: string, idle = Number.POSITIVE_INFINITY): Cast {
  const [first = '', ...lines] = text.split('\n');
  const header = parse(first) as
    | { version?: number; width?: number; height?: number; title?: string }
    | undefined;
  if (header?.version !== 2) throw new Error('This is no recording that can be played here.');
  const events: CastEvent[] = [];
  let last = 0;
  let at = 0;
  for (const line of lines) {
    const event = parse(line);
    if (!Array.isArray(event)) break;
    const [time, type, data] = event as [number, string, string];
    const kind = KINDS[type];
    if (kind === undefined) continue;
    at += Math.min(Math.max(0, time - last), idle);
    last = time;
    events.push({ at, kind, text: data });
  }
  return {
    cols: header.width ?? 80,
    rows: header.height ?? 24,
    title: header.title ?? '',
    events,
    duration: at,
  };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** `80x24` → its numbers. */
export function sizeOf(text: string): { cols: number; rows: number } | undefined {
  const [, cols, rows] = /^(\d{1,4})x(\d{1,4})$/.exec(text) ?? [];
  return cols === undefined || rows === undefined ? undefined : { cols: Number(cols), rows: Number(rows) };
}

/** The first event after `at`. */
export function indexAfter(events: readonly CastEvent[], at: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((events[middle]?.at ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
