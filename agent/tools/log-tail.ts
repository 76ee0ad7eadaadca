import type { z } from 'zod';
import { AppError } from '../../protocol/errors.ts';
import { type TailLog, tailLogArgumentsSchema, tailLogSchema } from '../../protocol/log-tools.ts';
import { isWithin } from '../files/access.ts';
import { fileSource } from '../files/byte-source.ts';
import { fileError } from '../files/file-error.ts';
import { lastLines } from '../files/lines.ts';
import { openFile } from '../files/open-for-read.ts';
import { wholeCharacters } from '../files/text-window.ts';
import { JOURNAL_FOLDER, readJournal } from '../logs/journal.ts';
import type { LogToolOptions } from './log-analyze.ts';
import type { Tool, ToolContext, ToolEnd } from './tool.ts';

/** Of lines in one answer, which carries them twice. */
const MAX_BYTES = 48 * 1024;
const LOOK_EVERY_MS = 500;

type Arguments = z.output<typeof tailLogArgumentsSchema>;

/** The end of a log, and what is added to it. */
export function tailLogTool(
  options: LogToolOptions,
): Tool<typeof tailLogArgumentsSchema, typeof tailLogSchema> {
  return {
    name: 'tail_log',
    group: 'logs',
    title: 'Follow a log',
    description:
      'Last lines of a log file or systemd unit; with cursor and wait_ms what is new since, also across rotation.',
    input: tailLogArgumentsSchema,
    output: tailLogSchema,
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    disabled: !options.enabled,
    defaultTimeoutS: 120,
    async run(context, args) {
      if ((args.log_path === undefined) === (args.unit === undefined))
        throw new AppError('bad_request', { detail: 'Give either log_path or unit.' });
      const look =
        args.unit === undefined ? fileLook(options, context, args) : unitLook(options, context, args);
      return answer(await untilNew(look, context, args));
    },
  };
}

function answer(structured: TailLog): ToolEnd {
  const notes = [
    ...(structured.rotated ? ['the file was rotated'] : []),
    ...(structured.truncated ? ['there is more'] : []),
    ...(structured.cursor === undefined ? [] : [`cursor ${structured.cursor}`]),
  ];
  return { kind: 'value', structured, text: [...structured.lines, `[${notes.join('; ')}]`].join('\n') };
}

/** Looks until there is something new, or the time is over. */
async function untilNew(
  look: (cursor: string | undefined) => Promise<TailLog>,
  { clock, signal }: ToolContext,
  args: Arguments,
): Promise<TailLog> {
  const until = clock.monotonic() + args.wait_ms;
  let found = await look(args.cursor);
  while (found.lines.length === 0 && clock.monotonic() < until) {
    await clock.sleep(Math.min(LOOK_EVERY_MS, until - clock.monotonic()), signal);
    found = await look(args.cursor ?? found.cursor);
  }
  return found;
}

function fileLook(options: LogToolOptions, { access, signal }: ToolContext, args: Arguments) {
  const path = args.log_path ?? '';
  return async (cursor: string | undefined): Promise<TailLog> => {
    await using file = await openFile(path, { access, protectedPaths: options.protectedPaths });
    const { ino } = file.stats;
    const seen = cursor === undefined ? undefined : parseCursor(cursor);
    try {
      const source = await fileSource(file.handle, file.stats.size);
      const rotated = seen !== undefined && (seen.ino !== ino || seen.at > source.size);
      let from = rotated ? 0 : seen?.at;
      let truncated = false;
      if (from === undefined) {
        const last = await lastLines(source, Math.min(args.lines, options.maxLines), signal);
        from = Math.max(last.at, source.size - MAX_BYTES);
        truncated = from > last.at || last.cut;
      }
      let bytes = await source.read(from, MAX_BYTES);
      if (from + bytes.length < source.size) {
        const end = bytes.lastIndexOf(10) + 1;
        bytes = end > 0 ? bytes.subarray(0, end) : wholeCharacters(bytes);
        truncated = true;
      }
      const text = bytes.toString('utf8').replace(/\r?\n$/, '');
      return {
        source: file.path,
        lines: bytes.length === 0 ? [] : text.split(/\r?\n/),
        cursor: `${ino}:${from + bytes.length}`,
        ...(rotated ? { rotated } : {}),
        truncated,
      };
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw fileError(cause, file.path, 'read');
    }
  };
}

function parseCursor(cursor: string): { ino: number; at: number } {
  const match = /^(\d{1,16}):(\d{1,16})$/.exec(cursor);
  if (match === null)
    throw new AppError('bad_request', { detail: 'The cursor is not one that tail_log gave for a file.' });
  return { ino: Number(match[1]), at: Number(match[2]) };
}

function unitLook(options: LogToolOptions, { access, signal }: ToolContext, args: Arguments) {
  const unit = args.unit ?? '';
  if (!access.read.some((root) => isWithin(JOURNAL_FOLDER, root)))
    throw new AppError('path_refused', {
      detail: `This VM's policy.yaml does not let this caller read ${JOURNAL_FOLDER}, and so not the journal.`,
    });
  return async (cursor: string | undefined): Promise<TailLog> => {
    const lines = Math.min(args.lines, options.maxLines);
    const found = await readJournal({
      program: options.journalctl ?? 'journalctl',
      unit,
      lines,
      cursor,
      signal,
    });
    // The newest are kept: journalctl has no way to go on in the middle.
    let length = 0;
    const first = found.lines.findLastIndex((line) => {
      length += Buffer.byteLength(line) + 1;
      return length > MAX_BYTES;
    });
    const kept = found.lines.slice(first + 1);
    const last = found.cursor ?? cursor;
    return {
      source: unit,
      lines: kept,
      ...(last === undefined ? {} : { cursor: last }),
      truncated: first >= 0,
    };
  };
}
