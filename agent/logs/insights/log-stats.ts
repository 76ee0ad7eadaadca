import type { LogLevelName } from '../../../protocol/log-tools.ts';
import type { LogEngine, LogEvent } from '../engine/types.ts';
import { type ErrorGroup, ErrorGroups } from './error-groups.ts';
import { mergeSeries, type Series, TimeGrid } from './time-grid.ts';

/** Of an example this much is kept: more than is shown, so that secrets are still recognised at its end. */
const KEPT_TEXT = 600;
const FIRST_EXAMPLES = 3;
const LAST_EXAMPLES = 3;
const LAST_LINES = 8;
/** The longest pauses that are remembered. */
const GAPS = 8;

export const LEVELS: readonly LogLevelName[] = ['fatal', 'error', 'warning', 'info', 'debug', 'unknown'];
export const isError = (level: LogLevelName): boolean => level === 'error' || level === 'fatal';

export type LevelCounts = Record<LogLevelName, number>;
export const noLevels = (): LevelCounts => ({
  fatal: 0,
  error: 0,
  warning: 0,
  info: 0,
  debug: 0,
  unknown: 0,
});

export interface Example {
  line: number;
  text: string;
}

/** What is known about the events of one pattern. */
export interface PatternStats {
  count: number;
  levels: LevelCounts;
  firstMs: number | undefined;
  lastMs: number | undefined;
  /** Events before the first of these. */
  firstEvent: number;
  first: Example[];
  last: Example[];
  series: Series;
}

export interface Gap {
  fromMs: number;
  toMs: number;
}

/** A copy: a part of a longer string would keep the whole of it in memory. */
const copyOf = (text: string): string => Buffer.from(text.slice(0, KEPT_TEXT)).toString();

/** Takes events one after the other and keeps what sums them up, in memory that grows with the patterns alone. */
export class LogStats {
  readonly grid = new TimeGrid();
  readonly lines = this.grid.series();
  readonly errorLines = this.grid.series();
  readonly levels = noLevels();
  readonly lastLines: string[] = [];
  readonly gaps: Gap[] = [];
  readonly #patterns = new Map<number, PatternStats>();
  readonly #errors = new ErrorGroups();
  events = 0;
  lineCount = 0;
  guessed = 0;
  untimedLines = 0;
  firstMs: number | undefined;
  lastMs: number | undefined;
  #latest: number | undefined;

  add(event: LogEvent): void {
    const { timeMs, level, lines } = event;
    this.lineCount += lines;
    this.levels[level]++;
    if (event.levelSource === 'words') this.guessed++;
    this.#addTime(event);
    this.#addPattern(event);
    if (isError(level)) this.#errors.add(event);
    this.events++;
    this.lastLines.push(event.text.slice(0, KEPT_TEXT));
    if (this.lastLines.length > LAST_LINES) this.lastLines.shift();
    if (timeMs === undefined) this.untimedLines += lines;
  }

  #addTime({ timeMs, level, lines }: LogEvent): void {
    if (timeMs === undefined) return;
    this.firstMs = Math.min(this.firstMs ?? timeMs, timeMs);
    this.lastMs = Math.max(this.lastMs ?? timeMs, timeMs);
    this.grid.add(this.lines, timeMs, lines);
    if (isError(level)) this.grid.add(this.errorLines, timeMs, lines);
    // Times that run back end no pause.
    if (this.#latest !== undefined && timeMs > this.#latest) this.#addGap(this.#latest, timeMs);
    this.#latest = Math.max(this.#latest ?? timeMs, timeMs);
  }

  #addGap(fromMs: number, toMs: number): void {
    const shortest = this.gaps.at(-1);
    const length = toMs - fromMs;
    if (this.gaps.length === GAPS && shortest !== undefined && shortest.toMs - shortest.fromMs >= length)
      return;
    this.gaps.push({ fromMs, toMs });
    this.gaps.sort((a, b) => b.toMs - b.fromMs - (a.toMs - a.fromMs));
    if (this.gaps.length > GAPS) this.gaps.pop();
  }

  #addPattern({ pattern, timeMs, level, line, text }: LogEvent): void {
    let stats = this.#patterns.get(pattern);
    if (stats === undefined) {
      stats = {
        count: 0,
        levels: noLevels(),
        firstMs: undefined,
        lastMs: undefined,
        firstEvent: this.events,
        first: [],
        last: [],
        series: this.grid.series(),
      };
      this.#patterns.set(pattern, stats);
    }
    stats.count++;
    stats.levels[level]++;
    if (stats.first.length < FIRST_EXAMPLES) stats.first.push({ line, text: copyOf(text) });
    else {
      stats.last.push({ line, text: text.slice(0, KEPT_TEXT) });
      if (stats.last.length > LAST_EXAMPLES) stats.last.shift();
    }
    if (timeMs === undefined) return;
    stats.firstMs = Math.min(stats.firstMs ?? timeMs, timeMs);
    stats.lastMs = Math.max(stats.lastMs ?? timeMs, timeMs);
    this.grid.add(stats.series, timeMs, 1);
  }

  /** By the ids that the patterns have in the end; those that turned out to be one are added up. */
  patterns(engine: Pick<LogEngine, 'pattern'>): Map<string, PatternStats> {
    const byId = new Map<string, PatternStats>();
    for (const [index, stats] of this.#patterns) {
      const { id } = engine.pattern(index);
      const known = byId.get(id);
      if (known === undefined) byId.set(id, stats);
      else merge(known, stats);
    }
    return byId;
  }

  errors(engine: Pick<LogEngine, 'pattern'>): ErrorGroup[] {
    return this.#errors.groups((index) => engine.pattern(index).id);
  }
}

function merge(into: PatternStats, from: PatternStats): void {
  into.count += from.count;
  for (const level of LEVELS) into.levels[level] += from.levels[level];
  into.firstMs = least(into.firstMs, from.firstMs);
  into.lastMs = most(into.lastMs, from.lastMs);
  into.firstEvent = Math.min(into.firstEvent, from.firstEvent);
  const byLine = (a: Example, b: Example) => a.line - b.line;
  const all = [...into.first, ...into.last, ...from.first, ...from.last].sort(byLine);
  into.first = all.slice(0, FIRST_EXAMPLES);
  into.last = all.slice(FIRST_EXAMPLES).slice(-LAST_EXAMPLES);
  mergeSeries(into.series, from.series);
}

const least = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);
const most = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.max(a, b);

/** The level that most of the events have; among equals the more severe. */
export const mainLevel = (levels: LevelCounts): LogLevelName =>
  LEVELS.reduce((best, level) => (levels[level] > levels[best] ? level : best));
