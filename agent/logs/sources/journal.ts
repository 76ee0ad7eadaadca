import { spawn } from 'node:child_process';
import { AppError } from '../../../protocol/errors.ts';
import { isWithin } from '../../files/access.ts';
import { JOURNAL_ENV, JOURNAL_FOLDER, journalFailure } from '../journal.ts';
import { LineSplitter } from './line-splitter.ts';
import type { LogSource, Wanted } from './source.ts';

/** journalctl leaves out what is larger than some KiB only where it is told to; a message may have 64 MiB. */
const MAX_ENTRY_BYTES = 128 * 1024;
const FIELDS = '__REALTIME_TIMESTAMP,PRIORITY,SYSLOG_IDENTIFIER,_COMM,_PID,_HOSTNAME,MESSAGE';

export const JOURNAL_PREFIX = 'journal:';
const UNIT = /^[A-Za-z0-9@_.:\\][A-Za-z0-9@_.:\\-]{0,255}$/;

/** The entries of a unit, each as one line of JSON with the fields that say something. */
export function openJournal(options: {
  /** journalctl, or where it is. */
  program: string;
  unit: string;
  wanted: Wanted;
  readRoots: readonly string[];
  signal: AbortSignal;
}): LogSource {
  const { program, unit, wanted, signal } = options;
  if (!UNIT.test(unit))
    throw new AppError('bad_request', {
      detail: `"${unit.slice(0, 100)}" is not the name of a systemd unit.`,
      hint: 'Write journal:nginx.service, say.',
    });
  if (!options.readRoots.some((root) => isWithin(JOURNAL_FOLDER, root)))
    throw new AppError('path_refused', {
      detail: `This VM's policy.yaml does not let this caller read ${JOURNAL_FOLDER}, and so not the journal.`,
    });
  const at = (ms: number | undefined, name: string) =>
    ms === undefined ? [] : [`--${name}=@${(ms / 1000).toFixed(3)}`];
  const args = [
    '--no-pager',
    '--output=json',
    `--output-fields=${FIELDS}`,
    `--unit=${unit}`,
    `--lines=${wanted.lines}`,
    ...at(wanted.sinceMs, 'since'),
    ...at(wanted.untilMs, 'until'),
  ];
  return {
    async read(onLine) {
      let size = 0;
      const { entries, stderr, failure } = await run(program, args, signal, (line, bytes) => {
        size += bytes;
        onLine(line);
      });
      if (signal.aborted) throw signal.reason;
      const error = journalFailure({ failure, stderr, nothing: entries === 0, cursor: undefined });
      if (error !== undefined) throw error;
      return {
        logPath: `${JOURNAL_PREFIX}${unit}`,
        size,
        files: [],
        // Or exactly as many; asking for one more to find out would mean to hold all of them back.
        more: entries >= wanted.lines,
        cutBySize: false,
        firstLine: undefined,
        anchor: undefined,
      };
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function run(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
  onEntry: (line: string, bytes: number) => void,
): Promise<{ entries: number; stderr: string; failure: NodeJS.ErrnoException | undefined }> {
  signal.throwIfAborted();
  const child = spawn(program, args, { env: JOURNAL_ENV, stdio: ['ignore', 'pipe', 'pipe'], signal });
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => {
    if (stderr.length < 4096) stderr += piece.toString('utf8');
  });
  let failure: NodeJS.ErrnoException | undefined;
  const ended = new Promise<void>((resolve) => {
    child.on('error', (error: NodeJS.ErrnoException) => {
      failure = error;
      resolve();
    });
    child.on('close', (code) => {
      if (code !== 0 && code !== null) failure ??= new Error(`it exited with ${code}`);
      resolve();
    });
  });
  let entries = 0;
  const splitter = new LineSplitter((text) => {
    const line = entryLine(text);
    if (line === undefined) return;
    entries++;
    onEntry(line, text.length);
  }, MAX_ENTRY_BYTES);
  try {
    for await (const piece of child.stdout) splitter.push(piece as Buffer);
    splitter.end();
  } catch (cause) {
    if (!signal.aborted) failure ??= cause as NodeJS.ErrnoException;
  }
  await ended;
  return { entries, stderr, failure };
}

/** An entry with its text as one string: journald gives bytes that are no text, and fields that occur twice, as lists. */
export function entryLine(json: string): string | undefined {
  if (!json.startsWith('{')) return undefined;
  try {
    const entry = JSON.parse(json) as Record<string, unknown>;
    const kept: Record<string, string> = {};
    for (const name of FIELDS.split(',')) {
      const value = entry[name];
      if (value !== undefined && value !== null) kept[name] = textOf(value);
    }
    return JSON.stringify(kept);
  } catch {
    // Cut off, as it is larger than is read of one entry: what can be seen is kept as text.
    return json;
  }
}

function textOf(value: unknown): string {
  if (!Array.isArray(value)) return String(value);
  if (value.every((one) => typeof one === 'number')) return Buffer.from(value as number[]).toString('utf8');
  return value.map(textOf).join(' ');
}
