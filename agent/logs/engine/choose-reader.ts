import type { LineReader } from './reader.ts';
import { textReader } from './text-reader.ts';
import type { LogEngineOptions } from './types.ts';

/** The reader for the format that the sample is written in. */
export function chooseReader(
  sample: readonly string[],
  options: Pick<LogEngineOptions, 'nowMs' | 'toUtcMs'>,
): LineReader {
  return textReader(sample, options);
}
