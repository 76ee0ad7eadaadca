import type { z } from 'zod';
import { isoTime } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import { type ReadFile, readFileArgumentsSchema, readFileSchema } from '../../protocol/file-tools.ts';
import { type ByteSource, fileSource } from '../files/byte-source.ts';
import { fileError } from '../files/file-error.ts';
import { countLines, lastLines, skipLines } from '../files/lines.ts';
import { openFile } from '../files/open-for-read.ts';
import { sha256OfFile } from '../files/replace-file.ts';
import { DEFAULT_CONTENT, MAX_CONTENT, readWindow } from '../files/text-window.ts';
import type { FileToolOptions } from './file-options.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

/** Files up to this are counted and hashed along the way. */
const CHEAP = 8 * 1024 * 1024;

type Arguments = z.output<typeof readFileArgumentsSchema>;
type Unit = ReadFile['unit'];

/** A file, or a part of one of any size. */
export function readFileTool(
  options: FileToolOptions,
): Tool<typeof readFileArgumentsSchema, typeof readFileSchema> {
  return {
    name: 'read_file',
    group: 'file',
    title: 'Read a file',
    description:
      'Reads a file, or a part by lines or bytes. Gives about 24 KB unless limit asks for more; next_offset goes on.',
    input: readFileArgumentsSchema,
    output: readFileSchema,
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    disabled: !options.enabled,
    defaultTimeoutS: 60,
    run: (context, args) => readFile(options, context, args),
  };
}

async function readFile(options: FileToolOptions, context: ToolContext, args: Arguments): Promise<ToolEnd> {
  const { signal, access } = context;
  const { encoding, offset, limit } = args;
  const unit: Unit = args.unit ?? (encoding === 'base64' ? 'bytes' : 'lines');
  if (encoding === 'base64' && unit === 'lines')
    throw new AppError('bad_request', { detail: 'base64 is read by bytes: leave out unit, or say bytes.' });
  await using file = await openFile(args.file_path, { access, protectedPaths: options.protectedPaths });
  const { size, mtimeMs } = file.stats;
  if (offset === undefined && limit === undefined && size > options.maxFileSize)
    throw new AppError('payload_too_large', {
      detail: `${file.path} has ${size} bytes; this VM lets ${options.maxFileSize} be read as a whole (tools.file_manager.max_file_size).`,
      hint: 'Read a part: offset and limit; a negative offset counts from the end.',
    });
  try {
    const source = await fileSource(file.handle, size);
    const cheap = source.size <= CHEAP;
    const totalLines = cheap && encoding !== 'base64' ? await countLines(source, signal) : undefined;
    const start = await findStart(source, unit, offset ?? 0, totalLines, signal);
    const window = await readWindow(source, {
      start: start.at,
      unit,
      max: limit ?? Number.POSITIVE_INFINITY,
      encoding,
      budget: limit === undefined ? DEFAULT_CONTENT : MAX_CONTENT,
    });
    const more = window.end < source.size;
    const structured: ReadFile = {
      file_path: file.path,
      content: window.content,
      encoding,
      unit,
      offset: start.offset,
      count: window.count,
      size: source.size,
      ...(totalLines === undefined ? {} : { total_lines: totalLines }),
      start_byte: window.start,
      end_byte: window.end,
      truncated: more,
      ...(more ? { next_offset: start.offset + window.count } : {}),
      ...(window.lineCut || start.cut ? { line_cut: true } : {}),
      ...(window.invalidUtf8 ? { invalid_utf8: true } : {}),
      ...(cheap && size > 0 ? { sha256: await sha256OfFile(file.handle, size, signal) } : {}),
      modified: isoTime(mtimeMs),
    };
    return { kind: 'value', structured, text: `${window.content}${footer(structured)}` };
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw fileError(cause, file.path, 'read');
  }
}

/** Where the part begins. `offset` is counted from the beginning wherever that is known. */
async function findStart(
  source: ByteSource,
  unit: Unit,
  offset: number,
  totalLines: number | undefined,
  signal: AbortSignal,
): Promise<{ at: number; offset: number; cut: boolean }> {
  if (unit === 'bytes') {
    const at = offset < 0 ? Math.max(0, source.size + offset) : Math.min(offset, source.size);
    return { at, offset: at, cut: false };
  }
  if (offset >= 0) {
    const { at, skipped } = await skipLines(source, offset, signal);
    return { at, offset: skipped, cut: false };
  }
  const { at, lines, cut } = await lastLines(source, -offset, signal);
  return { at, offset: totalLines === undefined ? (at === 0 ? 0 : -lines) : totalLines - lines, cut };
}

function footer(part: ReadFile): string {
  if (!part.truncated && part.start_byte === 0 && !part.invalid_utf8) return '';
  const total = part.unit === 'bytes' ? part.size : part.total_lines;
  const first = part.unit === 'lines' && part.offset >= 0 ? part.offset + 1 : part.offset;
  const range = part.offset < 0 ? `${part.count} from ${part.offset}` : `${first}–${first + part.count - 1}`;
  const notes = [
    `${part.unit} ${range}${total === undefined ? '' : ` of ${total}`}`,
    ...(part.unit === 'lines' ? [`${part.size} bytes in all`] : []),
    ...(part.next_offset === undefined ? [] : [`go on with offset ${part.next_offset}`]),
    ...(part.line_cut ? [`the line is longer: unit bytes, offset ${part.end_byte}`] : []),
    ...(part.invalid_utf8 ? ['not valid UTF-8: encoding base64 gives the bytes'] : []),
  ];
  return `${part.content.endsWith('\n') ? '' : '\n'}[${notes.join('; ')}]`;
}
