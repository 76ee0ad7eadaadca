import type { ByteSource } from '../../files/byte-source.ts';
import { createLogEngine } from '../engine/engine.ts';
import { LineSplitter } from './line-splitter.ts';

/** Read at each probe: some hundred lines, enough to learn how they are built. */
const PROBE_BYTES = 64 * 1024;
/** A stretch without times, such as a long trace, is passed over so many times. */
const MAX_PROBES = 8;
/** Times run back a little in most logs; so much more is read on both sides. */
const MARGIN_BYTES = 1024 * 1024;
/** Below this, looking is not worth it. */
const MIN_BYTES = 8 * 1024 * 1024;

export interface TimeReader {
  nowMs: number;
  toUtcMs: (wallMs: number) => number;
}

/** A part of a source as a source of its own. */
export const partOf = (source: ByteSource, from: number, to: number): ByteSource => ({
  size: to - from,
  read: (at, length) => source.read(from + at, Math.max(0, Math.min(length, to - from - at))),
  scan: (at, length) => source.scan(from + at, Math.max(0, Math.min(length, to - from - at))),
});

/**
 * The bytes within which the window lies, found by halving, as times grow through a log. Generous on both sides; the
 * whole where lines bear no times. Ends are at lines' beginnings.
 */
export async function timeWindow(
  source: ByteSource,
  window: { sinceMs?: number | undefined; untilMs?: number | undefined },
  times: TimeReader,
  signal: AbortSignal,
): Promise<{ from: number; to: number }> {
  const { size } = source;
  if (size < MIN_BYTES) return { from: 0, to: size };
  const find = (ms: number | undefined) =>
    ms === undefined ? undefined : firstAt(source, ms, times, signal);
  const from = (await find(window.sinceMs)) ?? 0;
  const to = (await find(window.untilMs === undefined ? undefined : window.untilMs + 1)) ?? size;
  return {
    from: await lineStart(source, Math.max(0, from - MARGIN_BYTES)),
    to: to >= size ? size : await lineStart(source, Math.min(size, to + MARGIN_BYTES)),
  };
}

/** About where the first line at `wantedMs` or later is; undefined where times cannot be read. */
async function firstAt(
  source: ByteSource,
  wantedMs: number,
  times: TimeReader,
  signal: AbortSignal,
): Promise<number | undefined> {
  let low = 0;
  let high = source.size;
  while (high - low > PROBE_BYTES) {
    signal.throwIfAborted();
    const middle = Math.floor((low + high) / 2);
    let ms: number | undefined;
    for (let probe = 0; ms === undefined && probe < MAX_PROBES; probe++)
      ms = medianTime(await source.read(middle + probe * PROBE_BYTES, PROBE_BYTES), times);
    if (ms === undefined) return undefined;
    if (ms < wantedMs) low = middle;
    else high = middle;
  }
  return high;
}

function medianTime(bytes: Buffer, times: TimeReader): number | undefined {
  const found: number[] = [];
  const engine = createLogEngine({
    ...times,
    onEvent: ({ timeMs }) => {
      if (timeMs !== undefined) found.push(timeMs);
    },
  });
  const splitter = new LineSplitter((line) => engine.push(line));
  // The first line is most likely cut.
  splitter.push(bytes.subarray(bytes.indexOf(10) + 1));
  engine.end();
  found.sort((a, b) => a - b);
  return found[Math.floor(found.length / 2)];
}

async function lineStart(source: ByteSource, at: number): Promise<number> {
  if (at === 0) return 0;
  for (let from = at - 1; from < source.size; from += PROBE_BYTES) {
    const chunk = await source.read(from, PROBE_BYTES);
    const found = chunk.indexOf(10);
    if (found >= 0) return from + found + 1;
    if (chunk.length === 0) break;
  }
  return source.size;
}
