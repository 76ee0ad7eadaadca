import { createLogEngine } from '../../../../../agent/logs/engine/engine.ts';
import type { LogEngine, LogEngineOptions, LogEvent } from '../../../../../agent/logs/engine/types.ts';

/** 2026-11-27T12:00:00Z. */
export const NOW = Date.UTC(2026, 10, 27, 12);

/** Reads lines to the end. */
export function readLog(
  lines: readonly string[],
  options: Partial<LogEngineOptions> = {},
): { events: LogEvent[]; engine: LogEngine; templates: string[] } {
  const events: LogEvent[] = [];
  const engine = createLogEngine({ nowMs: NOW, onEvent: (event) => events.push(event), ...options });
  for (const line of lines) engine.push(line);
  engine.end();
  return { events, engine, templates: engine.patterns().map(({ template }) => template) };
}

/** Numbers that are the same in every run. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}

export const linesOf = (events: readonly LogEvent[]): number =>
  events.reduce((sum, { lines }) => sum + lines, 0);

export const isoOf = (event: LogEvent | undefined): string | undefined =>
  event?.timeMs === undefined ? undefined : new Date(event.timeMs).toISOString();
