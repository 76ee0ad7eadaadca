/** Messages often quote the time at which they were written in full: that tells the year that the header leaves out. */
import { createHeaderValues } from './fields.ts';
import { type Header, readHeader } from './header.ts';
import { createStamp } from './stamp.ts';
import { STAMP_FORMATS } from './stamp-formats.ts';

const FULL =
  /\b\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d|\b[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d (?:[A-Z]{3,4} )?\d{4}\b/;
const LEAST_VOTES = 2;
const LINE = 2000;

/** A time near which the log was written, in ms, or undefined. */
export function referenceTime(header: Header, sample: readonly string[]): number | undefined {
  const values = createHeaderValues();
  const quoted = createStamp();
  const votes = new Map<number, { count: number; last: number }>();
  for (const line of sample) {
    const at = readHeader(header, line, values);
    if (at < 0 || !values.timed || !values.stamp.hasDate) continue;
    if (values.stamp.epochMs !== undefined || values.stamp.year !== undefined) return undefined;
    const message = line.slice(at, at + LINE);
    const found = FULL.exec(message);
    if (found === null) continue;
    for (const { read } of STAMP_FORMATS) {
      if (read(message, found.index, quoted) < 0) continue;
      const { year, month, day } = quoted;
      if (year !== undefined && month === values.stamp.month && day === values.stamp.day) {
        const vote = votes.get(year) ?? { count: 0, last: 0 };
        votes.set(year, { count: vote.count + 1, last: Math.max(vote.last, Date.UTC(year, month - 1, day)) });
      }
      break;
    }
  }
  let best: { count: number; last: number } | undefined;
  for (const vote of votes.values())
    if (vote.count >= LEAST_VOTES && vote.count > (best?.count ?? 0)) best = vote;
  return best?.last;
}
