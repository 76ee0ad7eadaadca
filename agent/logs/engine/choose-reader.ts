import { accessReader } from './access-reader.ts';
import { createWallClock } from './clock.ts';
import { csvReader } from './csv-reader.ts';
import { journalExportReader } from './journal-export-reader.ts';
import { jsonReader } from './json-reader.ts';
import { logfmtReader } from './logfmt-reader.ts';
import type { LineReader } from './reader.ts';
import { textReader } from './text-reader.ts';
import type { LogEngineOptions } from './types.ts';

/** The reader for the format that the sample is written in; what is nothing else is text with or without a header. */
export function chooseReader(
  sample: readonly string[],
  options: Pick<LogEngineOptions, 'nowMs' | 'toUtcMs'>,
): LineReader {
  const { nowMs, toUtcMs } = options;
  const clock = createWallClock({ nowMs, toUtcMs, reference: undefined });
  for (const reader of [jsonReader, journalExportReader, logfmtReader, accessReader, csvReader]) {
    const found = reader(sample, clock);
    if (found !== undefined) return found;
  }
  return textReader(sample, options);
}
