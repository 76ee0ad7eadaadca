// JSON lines of the log as people read them: on a terminal, and in the journal.
import { fstatSync } from 'node:fs';
import { Writable } from 'node:stream';

interface Parsed {
  level: string;
  module: string | undefined;
  time: string;
  text: string;
}

function parse(line: string): Parsed {
  const {
    time,
    level,
    msg,
    module,
    name: _name,
    err,
    hint,
    ...rest
  } = JSON.parse(line) as Record<string, unknown>;
  const details = Object.entries(rest).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const { message, code } = (err ?? {}) as { message?: string; code?: string };
  const said = String(msg ?? '');
  const cause = message === undefined || said.includes(message) ? code : message;
  const parts = [
    said,
    ...(hint === undefined ? [] : [String(hint)]),
    ...(cause === undefined ? [] : [`(${cause})`]),
    ...details,
  ];
  return {
    level: String(level),
    module: typeof module === 'string' ? module : undefined,
    time: String(time),
    text: parts.join(' '),
  };
}

const formatted = (out: NodeJS.WritableStream, format: (line: Parsed) => string): Writable =>
  new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      out.write(`${format(parse(line))}\n`, () => done());
    },
  });

/** For a terminal: the time of day, the level, the message, and the rest as `key=value`. */
export const terminalText = (out: NodeJS.WritableStream): Writable =>
  formatted(out, ({ time, level, text }) => `${time.slice(11, 19)} ${level.toUpperCase().padEnd(5)} ${text}`);

/** Levels of syslog, as sd-daemon(3) has them before each line. */
const PRIORITY: Readonly<Record<string, number>> = {
  fatal: 2,
  error: 3,
  warn: 4,
  info: 6,
  debug: 7,
  trace: 7,
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal through journalctl.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;

/** One line of the journal. The journal has the time itself, and each line of a message would be an entry without level. */
export const journalLine = (json: string): string => {
  const { level, module, text } = parse(json);
  const from = module === undefined ? '' : `${module}: `;
  const oneLine = `${from}${text}`.replace(/(?<!\s)\s*\n\s*/g, ' / ').replace(CONTROL, ' ');
  return `<${PRIORITY[level] ?? 6}>${oneLine}`;
};

export const journalText = (out: NodeJS.WritableStream): Writable =>
  new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      out.write(`${journalLine(line)}\n`, () => done());
    },
  });

/**
 * Whether a file descriptor is the journal's, as systemd.exec(5) says: JOURNAL_STREAM holds its device and inode. The
 * variable alone says nothing, since children inherit it with other outputs.
 */
export function isJournal(fd: number, journalStream: string | undefined): boolean {
  if (journalStream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return journalStream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}
