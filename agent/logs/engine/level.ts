import type { LogLevelName } from '../../../protocol/log-tools.ts';

const NAMES: Readonly<Record<string, LogLevelName>> = {
  emerg: 'fatal',
  emergency: 'fatal',
  panic: 'fatal',
  alert: 'fatal',
  crit: 'fatal',
  critical: 'fatal',
  fatal: 'fatal',
  failure: 'fatal',
  dpanic: 'fatal',
  ftl: 'fatal',
  pnc: 'fatal',
  wtf: 'fatal',
  err: 'error',
  error: 'error',
  eror: 'error',
  severe: 'error',
  fail: 'error',
  failed: 'error',
  warn: 'warning',
  warning: 'warning',
  wrn: 'warning',
  notice: 'info',
  note: 'info',
  info: 'info',
  information: 'info',
  informational: 'info',
  inf: 'info',
  log: 'info',
  config: 'info',
  success: 'info',
  debug: 'debug',
  dbg: 'debug',
  trace: 'debug',
  trc: 'debug',
  verbose: 'debug',
  fine: 'debug',
  finer: 'debug',
  finest: 'debug',
  debug1: 'debug',
  debug2: 'debug',
  debug3: 'debug',
  debug4: 'debug',
  debug5: 'debug',
};

const LETTERS: Readonly<Record<string, LogLevelName>> = {
  F: 'fatal',
  A: 'fatal',
  C: 'fatal',
  S: 'fatal',
  E: 'error',
  W: 'warning',
  I: 'info',
  N: 'info',
  D: 'debug',
  V: 'debug',
  T: 'debug',
};

/** In the cases that are usual, so that they are found at once. */
const WRITTEN_NAMES = new Map<string, LogLevelName>(
  Object.entries(NAMES).flatMap(([name, level]) => [
    [name, level] as const,
    [name.toUpperCase(), level] as const,
    [`${name.charAt(0).toUpperCase()}${name.slice(1)}`, level] as const,
  ]),
);

/** The level that a word names, in any case. */
export function levelNamed(word: string): LogLevelName | undefined {
  if (word.length < 3 || word.length > 13) return undefined;
  return WRITTEN_NAMES.get(word) ?? WRITTEN_NAMES.get(word.toLowerCase());
}

/** The level that one capital stands for, as in logcat and glog. */
export const levelLetter = (letter: string): LogLevelName | undefined =>
  Object.hasOwn(LETTERS, letter) ? LETTERS[letter] : undefined;

/** RFC 5424's numbers. */
export const syslogLevel = (value: number): LogLevelName =>
  value <= 2 ? 'fatal' : value === 3 ? 'error' : value === 4 ? 'warning' : value <= 6 ? 'info' : 'debug';

/** The levels of pino and bunyan (10 to 60), else those of syslog (0 to 7). */
export function numericLevel(value: number): LogLevelName {
  if (value < 8) return syslogLevel(value);
  if (value >= 60) return 'fatal';
  if (value >= 50) return 'error';
  if (value >= 40) return 'warning';
  return value >= 30 ? 'info' : 'debug';
}

/** A level written inside a message, as `ERROR`, `[error]` or `level=error`. */
const WRITTEN =
  /\b(EMERG|PANIC|ALERT|CRIT|CRITICAL|FATAL|ERR|ERROR|SEVERE|WARN|WARNING|NOTICE|INFO|DEBUG|TRACE)\b|(?:\[|<|\blevel=|\bseverity=)"?(emerg|alert|crit|critical|fatal|err|error|warn|warning|notice|info|debug|trace)\b/;
const SAYS_FATAL = /\b(?:panic|segfault|segmentation fault|out of memory|oom-kill\w*|fatal)\b/i;
const SAYS_ERROR =
  /\b(?:errors?|fail(?:ed|ure|s)?|exception|traceback|denied|refused|cannot|can't|could not|couldn't|unable to|invalid|abort(?:ed)?|crash(?:ed)?)\b|\w(?:Exception|Error)\b/i;
const SAYS_WARNING = /\b(?:warn(?:ing)?|deprecated|time(?:d[- ])?out|retry(?:ing)?|expired|too many)\b/i;

/** Words for faults, where they count none, deny one, or name something that deals with them. */
const SAYS_NONE = [
  /(?:(?<![\w.,])0|\bzero|\bwithout(?: an?y?)?)\s+(?:\w+\s+)?(?:errors?|fail(?:ed|ures?|s)?|exceptions?|crash(?:es|ed)?|invalid|aborted|refused|denied)\b/,
  /\bno (?:more |new |known |such )?(?:errors?|failures?|exceptions?|fatal errors?|crashes)\b/,
  /\b(?:errors?|err|fail(?:ed|ures?|s)?|fatal|panic|exceptions?|crash(?:ed)?|invalid|abort(?:ed)?|refused|denied)["']?\s?=\s?["']?(?:0|none|null|nil|no|false)["']?(?=[\s,;|)\]}]|$)/,
  /\b(?:errors?|err|fail(?:ed|ures?|s)?|fatal|panic|exceptions?|crash(?:ed)?|invalid|abort(?:ed)?|refused|denied)["']?\s*:\s*["']?(?:0|none|null|nil|no|false)["']?(?=\s*[,;|)\]}]|\.?\s*$|\s+[\w-]+[:=])/,
  /\b(?:error|exception|failure|panic|crash)[ -](?:handl\w+|report(?:s|er|ing)|rates?|pages?|logs?|tracking|recovery|budgets?|detection)\b/,
  /(?<![\w/])(?:~|\.{1,2})?\/[^\s"':,;)]*/,
  /\b[\w-]*(?:errors?|exceptions?|fail(?:ed|ures?)?)\.(?:[cm]?[jt]sx?|py|go|rs|rb|java|kt|php|c|cc|cpp|h|log|html?|css|json|txt)\b/,
]
  .map(({ source }) => source)
  .join('|');
const NONE = new RegExp(SAYS_NONE, 'gi');
/** A fault with a number or value of its own: the same words say both that there is one and that there is none. */
const COUNTED =
  /\d\s+(?:\w+\s+)?(?:error|fail|exception|crash|invalid|abort|refused|denied)|\b(?:errors?|err|fail(?:ed|ures?|s)?|fatal|panic|exceptions?|crash(?:ed)?|invalid|abort(?:ed)?|refused|denied)["']?\s*[=:]/i;

const LOOKED_AT = 1000;

const looked = (message: string): string =>
  message.length > LOOKED_AT ? message.slice(0, LOOKED_AT) : message;

/** Whether messages that differ in their values alone may be of different levels. */
export const levelVaries = (message: string): boolean => COUNTED.test(looked(message));

/** A guess from what the message says, for lines without a field for the level. */
export function levelOfWords(message: string): LogLevelName {
  const text = looked(message);
  const level = levelSaid(text);
  // Most messages say nothing of faults and are not looked at again.
  if (level !== 'error' && level !== 'fatal') return level;
  const rest = text.replace(NONE, ' ');
  return rest.length === text.length ? level : levelSaid(rest);
}

function levelSaid(text: string): LogLevelName {
  const written = WRITTEN.exec(text);
  if (written !== null) return levelNamed(written[1] ?? written[2] ?? '') ?? 'unknown';
  if (SAYS_FATAL.test(text)) return 'fatal';
  if (SAYS_ERROR.test(text)) return 'error';
  return SAYS_WARNING.test(text) ? 'warning' : 'unknown';
}
