/** Reads lines of text: with the header that was learned from the sample, or none. */
import { createWallClock, type WallClock } from './clock.ts';
import { createHeaderValues } from './fields.ts';
import { type Header, readHeader } from './header.ts';
import { learnHeader, startsLikeMore } from './learn-header.ts';
import type { LineReader, LogRecord } from './reader.ts';
import { goesOn, type TraceState } from './traces.ts';
import type { LogEngineOptions } from './types.ts';
import { referenceTime } from './written-year.ts';

/** With fewer lines that bear the header others are not taken for parts of the events before them. */
const HEADED = 0.7;

type Options = Pick<LogEngineOptions, 'nowMs' | 'toUtcMs'>;

export function textReader(sample: readonly string[], options: Options): LineReader {
  const header = learnHeader(sample);
  return header === undefined ? plainReader() : headerReader(header, sample, options);
}

function plainReader(): LineReader {
  const state: TraceState = { kind: 'none' };
  return {
    read(line, record) {
      if (goesOn(line, state)) return false;
      setWhole(record, line);
      return true;
    },
    format: () => ({
      name: 'plain',
      fields: [],
      timeFormat: undefined,
      yearInferred: false,
      zoneInferred: false,
      confidence: 1,
    }),
  };
}

function headerReader(header: Header, sample: readonly string[], { nowMs, toUtcMs }: Options): LineReader {
  const clock: WallClock = createWallClock({ nowMs, toUtcMs, reference: referenceTime(header, sample) });
  const values = createHeaderValues();
  const state: TraceState = { kind: 'none' };
  const swallow = header.share >= HEADED;
  return {
    read(line, record) {
      const at = readHeader(header, line, values);
      if (at < 0) {
        if (swallow || goesOn(line, state) || startsLikeMore(line)) return false;
        setWhole(record, line);
        return true;
      }
      state.kind = 'none';
      record.timeMs = values.timed ? clock.toMs(values.stamp) : undefined;
      record.level = values.level;
      record.host = values.host;
      record.process = values.process;
      record.pid = values.pid;
      record.thread = values.thread;
      record.component = values.component;
      record.message = at === 0 ? line : line.slice(at);
      record.mined = line;
      record.minedAt = at;
      return true;
    },
    format: () => ({
      name: header.syslog ? 'syslog' : 'header',
      fields: header.fields.map(({ kind }) => ({ kind })),
      timeFormat: header.fields[header.timeField]?.stamp?.name,
      yearInferred: clock.yearInferred,
      zoneInferred: clock.zoneInferred,
      confidence: header.share,
    }),
  };
}

function setWhole(record: LogRecord, line: string): void {
  record.message = line;
  record.mined = line;
}
