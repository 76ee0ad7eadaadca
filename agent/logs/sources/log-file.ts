import { opendir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AppError } from '../../../protocol/errors.ts';
import { type ByteSource, fileSource } from '../../files/byte-source.ts';
import { fileError } from '../../files/file-error.ts';
import { lastLines } from '../../files/lines.ts';
import { type Opened, openDirectory, openFile, type ReadRules } from '../../files/open-for-read.ts';
import { fdPath } from '../../files/walk.ts';
import { createLogEngine } from '../engine/engine.ts';
import { type Compression, compressionOf, decompressed } from './decompress.ts';
import { LineSplitter } from './line-splitter.ts';
import { rotatedNames } from './rotated.ts';
import type { Wanted } from './source.ts';
import { partOf, type TimeReader, timeWindow } from './time-search.ts';

/** Read of one file at most, counted from its end. */
const MAX_BYTES = 4 * 1024 * 1024 * 1024;
const CHUNK = 256 * 1024;
const MAX_NAMES = 100_000;

/** One file of a log, open, with what is wanted of it. */
export interface LogPart {
  file: Opened;
  source: ByteSource;
  compression: Compression | undefined;
  /** Bytes of a plain file; lines to pass over of a packed one. */
  from: number;
  to: number;
  /** Those to be read. */
  lines: number;
  /** The file has lines before those. */
  more: boolean;
  cutBySize: boolean;
}

export interface PartOptions {
  wanted: Wanted;
  times: TimeReader;
  signal: AbortSignal;
  /** Bytes that count; for a file that is read again as it was. */
  size?: number | undefined;
}

/** Finds the wanted lines of an open file. A packed one is unpacked once for it, in constant memory. */
export async function findPart(file: Opened, options: PartOptions): Promise<LogPart> {
  const { wanted, signal } = options;
  const size = Math.min(options.size ?? file.stats.size, file.stats.size);
  const source = await fileSource(file.handle, size);
  const compression = compressionOf(await source.read(0, 8), file.path);
  const base = { file, source, compression, cutBySize: false };
  if (compression !== undefined) {
    const { lines } = await countPacked(source, compression, options);
    const from = Math.max(0, lines - wanted.lines);
    return { ...base, from, to: lines, lines: lines - from, more: from > 0 };
  }
  const window = await timeWindow(source, wanted, options.times, signal);
  const part = partOf(source, window.from, window.to);
  const last = await lastLines(part, wanted.lines, signal, MAX_BYTES);
  const from = window.from + last.at;
  return { ...base, from, to: window.to, lines: last.lines, more: from > 0, cutBySize: last.cut };
}

/** Lines of a packed file, up to the last one that is wanted. */
async function countPacked(
  source: ByteSource,
  compression: Compression,
  { wanted: { untilMs }, times, signal }: PartOptions,
): Promise<{ lines: number }> {
  let lines = 0;
  let last = 0;
  // Where only a part is wanted, the lines' times say which; otherwise nothing looks at them.
  const engine =
    untilMs === undefined
      ? undefined
      : createLogEngine({
          ...times,
          onEvent: (event) => {
            if (event.timeMs === undefined || event.timeMs <= untilMs) last = event.line + event.lines - 1;
          },
        });
  const splitter = new LineSplitter((line) => {
    lines++;
    engine?.push(line);
  });
  await unpack(source, compression, signal, (piece) => {
    splitter.push(piece);
    return true;
  });
  splitter.end();
  engine?.end();
  return { lines: engine === undefined ? lines : last };
}

/** False when the packed data is damaged: what came before the damage was given. */
async function unpack(
  source: ByteSource,
  compression: Compression,
  signal: AbortSignal,
  /** False: no more is needed. */
  onPiece: (piece: Buffer) => boolean,
): Promise<boolean> {
  async function* packed(): AsyncGenerator<Buffer> {
    for (let at = 0; at < source.size; at += CHUNK) {
      signal.throwIfAborted();
      yield await source.read(at, CHUNK);
    }
  }
  try {
    for await (const piece of decompressed(packed(), compression)) {
      signal.throwIfAborted();
      if (!onPiece(piece)) break;
    }
    return true;
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof AppError) throw cause;
    return false;
  }
}

/** Gives the part's lines. Fewer than were found come from a file that was cut meanwhile. */
export async function readPart(
  part: LogPart,
  signal: AbortSignal,
  onLine: (line: string) => void,
): Promise<{ lines: number; damaged: boolean }> {
  const { source, compression, from, to } = part;
  let lines = 0;
  let seen = 0;
  if (compression !== undefined) {
    const splitter = new LineSplitter((line) => {
      seen++;
      if (seen <= from || seen > to) return;
      lines++;
      onLine(line);
    });
    const whole = await unpack(source, compression, signal, (piece) => {
      splitter.push(piece);
      return seen < to;
    });
    splitter.end();
    return { lines, damaged: !whole };
  }
  const splitter = new LineSplitter((line) => {
    lines++;
    onLine(line);
  });
  for (let at = from; at < to; ) {
    signal.throwIfAborted();
    const chunk = await source.scan(at, Math.min(CHUNK, to - at));
    if (chunk.length === 0) break;
    splitter.push(chunk);
    at += chunk.length;
  }
  splitter.end();
  return { lines, damaged: false };
}

/** Paths of the older parts of the log, newest first; none where the folder may not be looked at. */
export async function olderPaths(path: string, rules: ReadRules): Promise<string[]> {
  try {
    await using folder = await openDirectory(dirname(path), rules);
    const names: string[] = [];
    for await (const { name } of await opendir(fdPath(folder.handle), { bufferSize: 1024 })) {
      names.push(name);
      if (names.length > MAX_NAMES) break;
    }
    return rotatedNames(basename(path), names).map((name) => join(folder.path, name));
  } catch {
    return [];
  }
}

/** @throws AppError for what may not be read or is not there. */
export async function openLog(path: string, rules: ReadRules): Promise<Opened> {
  try {
    return await openFile(path, rules);
  } catch (cause) {
    throw fileError(cause, path, 'read');
  }
}
