import type { AnalyzeLog } from '../../../protocol/log-tools.ts';

/** Of the JSON; with the text beside it an answer stays below 24 KB. */
export const MAX_JSON = 16 * 1024;

type Step = (log: AnalyzeLog) => boolean;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/** Each leaves out one thing and says whether there was one. In this order: the least telling first. */
const STEPS: readonly Step[] = [
  (log) => shorten(log.last_lines, 3, 'start'),
  fewerPatterns(20),
  fewerParameters(3),
  shorterStacks(6),
  fewerPatterns(12),
  fewerErrors(6),
  (log) => shorten(log.findings, 10, 'end'),
  (log) => fewerChanges(log, 8),
  fewerParameters(1),
  shorterStacks(3),
  fewerPatterns(6),
  fewerErrors(3),
  (log) => shorten(log.files, 10, 'start'),
  (log) => fewerChanges(log, 4),
  (log) => shorten(log.last_lines, 0, 'start'),
  fewerParameters(0),
  (log) => shorten(log.patterns[0]?.more_examples, 1, 'end'),
  shorterStacks(0),
  (log) => shorten(log.findings, 5, 'end'),
  fewerPatterns(1),
  fewerErrors(0),
];

/** Leaves out what is least telling until the answer is small enough. What is left out is counted. */
export function fitAnswer(log: AnalyzeLog, maxBytes: number = MAX_JSON): AnalyzeLog {
  let bytes = bytesOf(log);
  for (const step of STEPS) {
    while (bytes > maxBytes && step(log)) bytes = bytesOf(log);
    if (bytes <= maxBytes) break;
  }
  return log;
}

function shorten(list: unknown[] | undefined, least: number, at: 'start' | 'end'): boolean {
  if (list === undefined || list.length <= least) return false;
  if (at === 'start') list.shift();
  else list.pop();
  return true;
}

function fewerPatterns(least: number): Step {
  return (log) => {
    if (log.patterns.length <= least) return false;
    const count = log.patterns.pop()?.count ?? 0;
    const others = log.other_patterns ?? { patterns: 0, count: 0 };
    log.other_patterns = { patterns: others.patterns + 1, count: others.count + count };
    return true;
  };
}

function fewerErrors(least: number): Step {
  return (log) => {
    if (log.errors.length <= least) return false;
    const count = log.errors.pop()?.count ?? 0;
    const others = log.other_errors ?? { groups: 0, count: 0 };
    log.other_errors = { groups: others.groups + 1, count: others.count + count };
    return true;
  };
}

function fewerChanges(log: AnalyzeLog, least: number): boolean {
  if (!shorten(log.changes, least, 'end')) return false;
  log.other_changes = (log.other_changes ?? 0) + 1;
  return true;
}

/** Of the pattern that has the most. */
function fewerParameters(least: number): Step {
  return (log) => {
    const longest = log.patterns.reduce<AnalyzeLog['patterns'][number] | undefined>(
      (best, one) => ((one.parameters?.length ?? 0) > (best?.parameters?.length ?? 0) ? one : best),
      undefined,
    );
    if (longest?.parameters === undefined || longest.parameters.length <= least) return false;
    longest.parameters.pop();
    if (longest.parameters.length === 0) delete longest.parameters;
    return true;
  };
}

function shorterStacks(least: number): Step {
  return (log) => {
    const longest = log.errors.reduce<AnalyzeLog['errors'][number] | undefined>(
      (best, one) => ((one.stack?.length ?? 0) > (best?.stack?.length ?? 0) ? one : best),
      undefined,
    );
    if (longest?.stack === undefined || longest.stack.length <= least) return false;
    // Its beginning says where it broke, its end why.
    longest.stack.splice(Math.ceil(longest.stack.length / 2), 1);
    if (longest.stack.length === 0) delete longest.stack;
    return true;
  };
}
