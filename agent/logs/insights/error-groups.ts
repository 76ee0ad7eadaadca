import type { LogLevelName } from '../../../protocol/log-tools.ts';
import type { LogEvent } from '../engine/types.ts';

/** Kept apart at most; further ones are told apart by their pattern alone. */
const MAX_GROUPS = 500;
const KEPT_FRAMES = 12;
const KEPT_TEXT = 600;

/** Errors that say the same and come from the same place. */
export interface ErrorGroup {
  pattern: string;
  count: number;
  level: LogLevelName;
  /** Of the first one. */
  line: number;
  firstMs: number | undefined;
  lastMs: number | undefined;
  text: string;
  stack: string[];
}

/** `at com.acme.Db.open(Db.java:12)`, `File "a.py", line 3, in f`, `main.go:12 +0x1d`, `at f (/a/b.js:1:2)`. */
const FRAME = /^\s*(?:at\s+\S|File ".+", line \d+|\S+\.(?:go|rs|c|cc|cpp):\d+|#\d+\s|\.{3} \d+ more)/;
/** `java.sql.SQLException: …`, `ValueError: …`, `panic: …`, `Caused by: …`. */
const EXCEPTION =
  /^\s*(?:Caused by: |Suppressed: )?((?:[A-Za-z_$][\w$]*[.:]{1,2})*[A-Z]\w*(?:Error|Exception|Failure|Panic|Interrupt|Exit)|panic)\b/;

/**
 * Where it came from: the exception, and the frame that threw. Line numbers and addresses change from build to build
 * and do not count.
 */
export function originOf(continuation: readonly string[]): string {
  const exception = continuation
    .map((line) => EXCEPTION.exec(line)?.[1])
    .findLast((name) => name !== undefined);
  const frames = continuation.filter((line) => FRAME.test(line));
  // Python shows the frame that threw last, all others first.
  const frame = frames[0]?.trimStart().startsWith('File ') ? frames.at(-1) : frames[0];
  return `${exception ?? ''}|${(frame ?? '').trim().replace(/0x[0-9a-f]+|\d+/g, '#')}`;
}

/** The beginning of a trace, and its end where causes and Python's exception stand. */
function keptFrames(continuation: readonly string[]): string[] {
  const shown = continuation.filter((line) => line.trim() !== '').map((line) => line.slice(0, KEPT_TEXT));
  if (shown.length <= KEPT_FRAMES) return shown;
  const causes = shown.slice(KEPT_FRAMES / 2).filter((line) => EXCEPTION.test(line));
  const tail = causes.length > 0 ? causes.slice(-3) : shown.slice(-2);
  const head = shown.slice(0, KEPT_FRAMES - tail.length - 1);
  return [...head, `… ${shown.length - head.length - tail.length} more`, ...tail];
}

interface OpenGroup extends Omit<ErrorGroup, 'pattern'> {
  index: number;
  origin: string;
}

export class ErrorGroups {
  readonly #groups = new Map<string, OpenGroup>();

  add({ pattern, level, line, timeMs, text, continuation }: LogEvent): void {
    const origin = originOf(continuation);
    let key = `${pattern}|${origin}`;
    if (!this.#groups.has(key) && this.#groups.size >= MAX_GROUPS) key = `${pattern}|`;
    const known = this.#groups.get(key);
    if (known === undefined) {
      this.#groups.set(key, {
        index: pattern,
        origin,
        count: 1,
        level,
        line,
        firstMs: timeMs,
        lastMs: timeMs,
        text: text.slice(0, KEPT_TEXT),
        stack: keptFrames(continuation),
      });
      return;
    }
    known.count++;
    if (level === 'fatal') known.level = level;
    if (timeMs === undefined) return;
    known.firstMs = Math.min(known.firstMs ?? timeMs, timeMs);
    known.lastMs = Math.max(known.lastMs ?? timeMs, timeMs);
  }

  /** Fatal ones first, then the most frequent. `idOf` resolves patterns that turned out to be one. */
  groups(idOf: (index: number) => string): ErrorGroup[] {
    const merged = new Map<string, ErrorGroup>();
    for (const { index, origin, ...group } of this.#groups.values()) {
      const pattern = idOf(index);
      const key = `${pattern}|${origin}`;
      const known = merged.get(key);
      if (known === undefined) merged.set(key, { pattern, ...group });
      else {
        known.count += group.count;
        if (group.level === 'fatal') known.level = 'fatal';
        if (group.firstMs !== undefined)
          known.firstMs = Math.min(known.firstMs ?? group.firstMs, group.firstMs);
        if (group.lastMs !== undefined) known.lastMs = Math.max(known.lastMs ?? group.lastMs, group.lastMs);
      }
    }
    const rank = ({ level }: ErrorGroup) => (level === 'fatal' ? 0 : 1);
    return [...merged.values()].sort((a, b) => rank(a) - rank(b) || b.count - a.count || a.line - b.line);
  }
}
