import type { Opened, ReadRules } from '../../files/open-for-read.ts';
import { findPart, type LogPart, olderPaths, openLog, readPart } from './log-file.ts';
import type { LogSource, Wanted } from './source.ts';
import type { TimeReader } from './time-search.ts';

/** Files of one set that are open at once, and looked at. */
const MAX_FILES = 100;
/** A set that is rotated while it is opened is opened anew. */
const ATTEMPTS = 3;
/** Files up to this have the lines before the wanted ones counted, so that numbers are those of the file. */
const COUNTED_BYTES = 32 * 1024 * 1024;

export interface FileSetOptions {
  path: string;
  rules: ReadRules;
  wanted: Wanted;
  /** With the older files of the set, as far as lines are wanted. */
  rotated: boolean;
  times: TimeReader;
  signal: AbortSignal;
  /** Of an earlier answer: that reads the same lines again. */
  anchor?: string | undefined;
}

interface Anchor {
  ino: number;
  size: number;
}

/** A log file with its rotated predecessors as one stream. */
export async function openFileSet(options: FileSetOptions): Promise<LogSource> {
  const anchor = options.anchor === undefined ? undefined : parseAnchor(options.anchor);
  for (let attempt = 1; ; attempt++) {
    const set = new FileSet(options);
    try {
      if ((await set.open(anchor)) || attempt === ATTEMPTS) return set;
    } catch (cause) {
      await set[Symbol.asyncDispose]();
      if (options.signal.aborted) throw options.signal.reason;
      throw cause;
    }
    await set[Symbol.asyncDispose]();
  }
}

class FileSet implements LogSource {
  readonly #options: FileSetOptions;
  readonly #open: Opened[] = [];
  /** Newest first. */
  readonly #parts: LogPart[] = [];
  #size = 0;
  #more = false;
  #anchor: string | undefined;
  #path = '';

  constructor(options: FileSetOptions) {
    this.#options = options;
  }

  /** False when files changed their names meanwhile. */
  async open(anchor: Anchor | undefined): Promise<boolean> {
    const { path, rules, rotated, wanted } = this.#options;
    const first = await this.#take(path);
    this.#path = first.path;
    const older = rotated ? await olderPaths(first.path, rules) : [];
    let left = wanted.lines;
    // The file that an earlier answer began with may have been rotated since.
    let skip = anchor !== undefined && first.stats.ino !== anchor.ino;
    const seen = new Set<number>();
    for (const [index, name] of [undefined, ...older.slice(0, MAX_FILES)].entries()) {
      const file = name === undefined ? first : await this.#take(name).catch(() => undefined);
      if (file === undefined) continue;
      if (seen.has(file.stats.ino)) return false;
      seen.add(file.stats.ino);
      if (skip && file.stats.ino === anchor?.ino) skip = false;
      if (skip) continue;
      if (left === 0) {
        this.#more ||= file.stats.size > 0;
        break;
      }
      // What was last written before the window holds nothing of it, nor do the files before.
      if (index > 0 && wanted.sinceMs !== undefined && file.stats.mtimeMs < wanted.sinceMs) break;
      const size = file.stats.ino === anchor?.ino ? anchor.size : undefined;
      const part = await findPart(file, { ...this.#options, wanted: { ...wanted, lines: left }, size });
      this.#anchor ??= `${file.stats.ino}.${part.source.size}`;
      this.#size += file.stats.size;
      this.#parts.push(part);
      left -= part.lines;
      this.#more = part.more;
      if (part.more && part.lines > 0 && (left === 0 || part.cutBySize)) break;
    }
    return true;
  }

  async #take(path: string): Promise<Opened> {
    const file = await openLog(path, this.#options.rules);
    this.#open.push(file);
    return file;
  }

  async read(onLine: (line: string) => void): ReturnType<LogSource['read']> {
    const { signal } = this.#options;
    const files: Awaited<ReturnType<LogSource['read']>>['files'] = [];
    for (const part of this.#parts.toReversed()) {
      if (part.lines === 0 && this.#parts.length > 1) continue;
      const { lines, damaged } = await readPart(part, signal, onLine);
      files.push({
        path: part.file.path,
        lines,
        ...(part.compression === undefined ? {} : { compression: part.compression }),
        ...(damaged ? { damaged } : {}),
      });
    }
    const [only] = this.#parts;
    return {
      logPath: this.#path,
      size: this.#size,
      files,
      more: this.#more,
      cutBySize: this.#parts.some((part) => part.cutBySize),
      firstLine: files.length === 1 && only !== undefined ? await firstLineOf(only, signal) : undefined,
      anchor: this.#anchor,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#open.map((file) => file[Symbol.asyncDispose]()));
  }
}

async function firstLineOf(part: LogPart, signal: AbortSignal): Promise<number | undefined> {
  if (part.compression !== undefined) return part.from + 1;
  if (part.from > COUNTED_BYTES) return undefined;
  let lines = 1;
  for (let at = 0; at < part.from; ) {
    signal.throwIfAborted();
    const chunk = await part.source.scan(at, Math.min(256 * 1024, part.from - at));
    if (chunk.length === 0) return undefined;
    for (let found = chunk.indexOf(10); found >= 0; found = chunk.indexOf(10, found + 1)) lines++;
    at += chunk.length;
  }
  return lines;
}

function parseAnchor(text: string): Anchor | undefined {
  const match = /^(\d{1,20})\.(\d{1,16})$/.exec(text);
  return match === null ? undefined : { ino: Number(match[1]), size: Number(match[2]) };
}
