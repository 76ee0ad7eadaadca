import {
  clearHeaderValues,
  createHeaderValues,
  type Field,
  type HeaderValues,
  skipMark,
  skipSpaces,
} from './fields.ts';

/** The fields that lines of a log begin with; `learn-header.ts` finds them. */
export interface Header {
  fields: readonly Field[];
  /** Index of the field that says when; -1 without one. */
  timeField: number;
  /** Of a clock that stands apart from its date; -1 mostly. */
  clockField: number;
  /** Share of the sampled lines that begin so. */
  share: number;
  syslog: boolean;
}

const other = createHeaderValues();

/** Reads the header of a line into `values`: where the message starts, or -1 where the line does not begin so. */
export function readHeader(header: Header, text: string, values: HeaderValues): number {
  clearHeaderValues(values);
  const { fields, timeField, clockField } = header;
  let at = 0;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i] as Field;
    const from = skipSpaces(text, at);
    const passing = field.stamp !== undefined && i !== timeField;
    const end = field.read(text, from, passing ? other : values);
    if (end < 0) {
      if (field.optional) continue;
      return i > timeField && values.timed ? from : -1;
    }
    if (i === clockField && passing) {
      values.stamp.clockMs = other.stamp.clockMs;
      values.stamp.zone = other.stamp.zone;
      values.stamp.hasClock = true;
    }
    at = skipMark(text, end);
  }
  return skipSpaces(text, at);
}
