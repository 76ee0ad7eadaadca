/** One part of a file as RFC 9110 asks for it; a negative `from` counts from the end. `to` is the byte after the last. */
export interface RequestedRange {
  from: number;
  to: number | undefined;
}

/**
 * The header Range. Undefined for none, and for what need not be understood (other units, several ranges): then the
 * whole is the answer.
 */
export function parseByteRange(header: string | undefined): RequestedRange | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.replace(/\s+/g, '') ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (first === '')
    return last === '' || Number(last) === 0 ? undefined : { from: -Number(last), to: undefined };
  if (last !== '' && Number(last) < Number(first)) return undefined;
  return { from: Number(first), to: last === '' ? undefined : Number(last) + 1 };
}
