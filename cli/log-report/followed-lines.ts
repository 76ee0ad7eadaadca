/** Which of the lines that come are printed, and how: a filter that knows from batch to batch what it saw. */
import { createLineCleaner } from '../../agent/logs/engine/clean-line.ts';
import { createLogEngine } from '../../agent/logs/engine/engine.ts';
import { startsLikeMore } from '../../agent/logs/engine/learn-header.ts';
import { compileGrep } from '../../agent/logs/grep.ts';
import { shown } from '../../agent/logs/insights/mask.ts';
import type { LogLevelName } from '../../protocol/log-tools.ts';

export interface FollowedLine {
  /** As it was written. */
  line: string;
  /** For people to read: masked where that is wanted. */
  text: string;
  level: LogLevelName;
}

const LEVELS: readonly LogLevelName[] = ['fatal', 'error', 'warning', 'info', 'debug'];
const LONGEST = 2000;

/** `least`: only what is at least as severe, with the lines that belong to it. */
export function createLineFilter(options: {
  grep: string | undefined;
  least: LogLevelName | undefined;
  mask: boolean;
}): (lines: readonly string[]) => FollowedLine[] {
  const { grep, least, mask } = options;
  const matches = grep === undefined ? () => true : compileGrep(grep);
  const severe = least === undefined ? undefined : new Set(LEVELS.slice(0, LEVELS.indexOf(least) + 1));
  const clean = createLineCleaner();
  let level: LogLevelName = 'unknown';
  return (lines) => {
    const cleaned = lines.map(clean);
    const levels = levelsOf(cleaned);
    let begun = false;
    return lines.flatMap((line, i) => {
      const plain = cleaned[i] as string;
      // What belongs to an event of the batch before has its level.
      begun ||= !startsLikeMore(plain);
      if (begun) level = levels[i] ?? 'unknown';
      if (severe !== undefined && !severe.has(level)) return [];
      if (!matches(line)) return [];
      return [{ line, text: mask ? shown(plain, LONGEST) : line, level }];
    });
  };
}

/** For each line the level of the event that it is part of. */
function levelsOf(lines: readonly string[]): LogLevelName[] {
  const levels: LogLevelName[] = [];
  const engine = createLogEngine({
    nowMs: 0,
    toUtcMs: (wallMs) => wallMs,
    onEvent: (event) => {
      for (let i = 0; i < event.lines; i++) levels.push(event.level);
    },
  });
  for (const line of lines) engine.push(line);
  engine.end();
  return levels;
}
