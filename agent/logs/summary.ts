import { isoTime } from '../../base/clock.ts';
import type { AnalyzeLog, LogLevelName } from '../../protocol/log-tools.ts';
import { type LogFormat, parseLine } from './parse-line.ts';
import { templateOf } from './template.ts';

const SHOWN = 300;
const MAX_TEMPLATES = 5000;
const TOP_TEMPLATES = 15;
const ERROR_SAMPLES = 10;
const LAST_LINES = 10;

interface Template {
  count: number;
  level: LogLevelName;
  example: string;
}

const shorten = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

/** Takes lines one after the other and keeps what sums them up, in constant memory. */
export class LogSummary {
  readonly #now: number;
  readonly #formats = new Map<LogFormat, number>();
  readonly #levels: Record<LogLevelName, number> = {
    fatal: 0,
    error: 0,
    warning: 0,
    info: 0,
    debug: 0,
    unknown: 0,
  };
  readonly #templates = new Map<string, Template>();
  readonly #errors: AnalyzeLog['errors'] = [];
  readonly #last: string[] = [];
  #lines = 0;
  #uncounted = 0;
  #first: number | undefined;
  #end: number | undefined;

  constructor(now: number) {
    this.#now = now;
  }

  add(line: string): void {
    this.#lines++;
    this.#last.push(shorten(line));
    if (this.#last.length > LAST_LINES) this.#last.shift();
    if (line.trim() === '') return;
    const { format, level, time, message } = parseLine(line, this.#now);
    this.#formats.set(format, (this.#formats.get(format) ?? 0) + 1);
    this.#levels[level]++;
    if (time !== undefined) {
      this.#first = Math.min(this.#first ?? time, time);
      this.#end = Math.max(this.#end ?? time, time);
    }
    this.#count(templateOf(message), level, line);
    if (level !== 'error' && level !== 'fatal') return;
    this.#errors.push({
      line: this.#lines,
      ...(time === undefined ? {} : { time: isoTime(time) }),
      text: shorten(line),
    });
    if (this.#errors.length > ERROR_SAMPLES) this.#errors.shift();
  }

  #count(template: string, level: LogLevelName, line: string): void {
    const known = this.#templates.get(template);
    if (known !== undefined) known.count++;
    else if (this.#templates.size < MAX_TEMPLATES)
      this.#templates.set(template, { count: 1, level, example: shorten(line) });
    else this.#uncounted++;
  }

  result(): Omit<AnalyzeLog, 'log_path' | 'size'> {
    const ranked = [...this.#templates].sort(([a, x], [b, y]) => y.count - x.count || (a < b ? -1 : 1));
    const rest = ranked.length - TOP_TEMPLATES + this.#uncounted;
    const [format = 'plain'] = [...this.#formats].sort((a, b) => b[1] - a[1]).map(([name]) => name);
    return {
      format,
      lines_analyzed: this.#lines,
      levels: this.#levels,
      ...(this.#first === undefined ? {} : { first_time: isoTime(this.#first) }),
      ...(this.#end === undefined ? {} : { last_time: isoTime(this.#end) }),
      templates: ranked
        .slice(0, TOP_TEMPLATES)
        .map(([template, { count, level, example }]) => ({ count, level, template, example })),
      ...(rest > 0 ? { other_templates: rest } : {}),
      errors: this.#errors,
      last_lines: this.#last,
    };
  }
}
