import { chooseReader } from './choose-reader.ts';
import { createLineCleaner } from './clean-line.ts';
import type { MinedForm } from './form-store.ts';
import { levelOfWords, levelVaries } from './level.ts';
import { createMiner } from './miner.ts';
import { createPatternBook } from './patterns.ts';
import { clearRecord, createRecord, type LineReader } from './reader.ts';
import type { LogEngine, LogEngineOptions, LogEvent } from './types.ts';

const SAMPLE_LINES = 2000;
const SAMPLE_CHARS = 4_000_000;
const MAX_PATTERNS = 5000;
const CONTINUATION_LINES = 200;
const CONTINUATION_CHARS = 2000;
/** A trace says what it is about in its first lines. */
const HINT_LINES = 3;

/** Shared by all events of one line. */
const NOTHING: string[] = [];

/** Learns how the lines of a log are built, and takes them one after the other into events and patterns. */
export function createLogEngine(options: LogEngineOptions): LogEngine {
  const sampleLines = options.sampleLines ?? SAMPLE_LINES;
  const miner = createMiner(options.maxPatterns ?? MAX_PATTERNS);
  const book = createPatternBook(miner.store);
  const clean = createLineCleaner();
  const record = createRecord();
  const upcoming = createRecord();
  let current = record;
  let next = upcoming;
  let reader: LineReader | undefined;
  let sample: string[] = [];
  let sampleChars = 0;
  let line = 0;
  /** The event that might go on; 0 lines where there is none. */
  let first = 0;
  let lines = 0;
  let firstText = '';
  let continuation: string[] = NOTHING;

  function start(): LineReader {
    const chosen = chooseReader(sample, options);
    reader = chosen;
    const held = sample;
    sample = [];
    for (const text of held) take(chosen, text);
    return chosen;
  }

  function take(from: LineReader, text: string): void {
    line++;
    clearRecord(next);
    const begins = from.read(text, next);
    if (!begins && lines > 0) {
      lines++;
      if (from.more?.(text, current) === true) return;
      if (continuation === NOTHING) continuation = [];
      if (continuation.length < CONTINUATION_LINES) continuation.push(text.slice(0, CONTINUATION_CHARS));
      return;
    }
    if (!begins && from.more?.(text, next) !== true) {
      next.message = text;
      next.mined = text;
    }
    send();
    [current, next] = [next, current];
    first = line;
    lines = 1;
    firstText = text;
    continuation = NOTHING;
  }

  function send(): void {
    if (lines === 0) return;
    const all = current.held.length === 0 ? continuation : [...current.held, ...continuation];
    const form = miner.add(current.mined, current.minedAt, current.suffix);
    const level = current.level ?? hint(form, current.message, all);
    const event: LogEvent = {
      line: first,
      lines,
      timeMs: current.timeMs,
      level,
      levelSource: current.level !== undefined ? 'field' : level === 'unknown' ? 'none' : 'words',
      text: firstText,
      message: current.message,
      continuation: all,
      pattern: form.index,
    };
    if (current.host !== undefined) event.host = current.host;
    if (current.process !== undefined) event.process = current.process;
    if (current.pid !== undefined) event.pid = current.pid;
    if (current.thread !== undefined) event.thread = current.thread;
    if (current.component !== undefined) event.component = current.component;
    lines = 0;
    options.onEvent(event);
  }

  return {
    push(text) {
      // Files of other systems end their lines with a carriage return as well.
      const bare = clean(text.charCodeAt(text.length - 1) === 13 ? text.slice(0, -1) : text);
      if (reader !== undefined) {
        take(reader, bare);
        return;
      }
      sample.push(bare);
      sampleChars += bare.length;
      if (sample.length >= sampleLines || sampleChars >= SAMPLE_CHARS) start();
    },
    flush() {
      if (reader === undefined && sample.length > 0) start();
      send();
    },
    end() {
      if (reader === undefined) start();
      send();
    },
    format: () => (reader ?? chooseReader(sample, options)).format(),
    pattern: book.pattern,
    patterns: book.patterns,
  };
}

/** Looked at once for each form, as the words are the same in all its messages, unless values count as well. */
function hint(form: MinedForm, message: string, continuation: readonly string[]) {
  form.hintVaries ||= form.hint === undefined && levelVaries(message);
  if (form.hint === undefined || form.hintVaries) form.hint = levelOfWords(message);
  if (form.hint !== 'unknown' || continuation.length === 0) return form.hint;
  for (const line of continuation.slice(0, HINT_LINES)) {
    const level = levelOfWords(line);
    if (level !== 'unknown') return level;
  }
  return form.hint;
}
