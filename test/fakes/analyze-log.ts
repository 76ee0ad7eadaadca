import { writeFileSync } from 'node:fs';
import { analyzeLog } from '../../agent/logs/analysis.ts';
import {
  type AnalyzeLog,
  type AnalyzeLogInput,
  analyzeLogArgumentsSchema,
  analyzeLogSchema,
} from '../../protocol/log-tools.ts';
import { render, usualEvents } from './generated-log.ts';
import { createTempHome } from './temp-home.ts';

export const START = Date.parse('2026-01-31T10:00:00Z');
export const NOW = START + 24 * 3_600_000;
export const MIN = 60_000;

/** Analyzes in this thread, and checks what holds for every answer. @throws what it throws, and for counts that do not add up. */
export async function analyze(
  args: AnalyzeLogInput,
  more: { maxLines?: number; journalctl?: string; read?: string[]; signal?: AbortSignal } = {},
) {
  const order = {
    args: analyzeLogArgumentsSchema.parse(args),
    rules: { access: { read: more.read ?? ['/'] }, protectedPaths: { unreadable: [] } },
    maxLines: more.maxLines ?? 1_000_000,
    journalctl: more.journalctl ?? 'journalctl',
    nowMs: NOW,
  };
  const { structured, text } = await analyzeLog(order, more.signal ?? new AbortController().signal);
  const log = analyzeLogSchema.parse(structured);
  checkCounts(log);
  const bytes = Buffer.byteLength(JSON.stringify(log)) + Buffer.byteLength(text);
  if (bytes >= 24 * 1024) throw new Error(`the answer has ${bytes} bytes`);
  return { log, text };
}

export const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);

/** Whatever is asked, nothing that was read is lost or counted twice. */
function checkCounts(log: AnalyzeLog): void {
  const messages = log.lines_analyzed - log.continuation_lines;
  const levels = sum(Object.values(log.levels));
  const patterns = sum(log.patterns.map(({ count }) => count)) + (log.other_patterns?.count ?? 0);
  const read = log.files === undefined ? log.lines_read : sum(log.files.map(({ lines }) => lines));
  const kept = log.lines_analyzed + (log.lines_compared ?? 0);
  if (levels !== messages || patterns !== messages || read !== log.lines_read || kept > log.lines_read)
    throw new Error(`counts do not add up: ${JSON.stringify({ messages, levels, patterns, read, kept })}`);
}

export async function withFolder() {
  const home = await createTempHome();
  const write = (name: string, content: string | Buffer) => {
    writeFileSync(home.join(name), content);
    return home.join(name);
  };
  return { home, write, [Symbol.asyncDispose]: () => home.remove() };
}

export const usual = (count: number, more: { fromMs?: number; seed?: number; everyMs?: number } = {}) =>
  usualEvents({ fromMs: START, everyMs: 1000, count, ...more });
export const rendered = (events: ReturnType<typeof usual>) => events.map(render).join('');
