/** Longest line that is put together (characters); what is longer is no line of ours. */
const MAX_LINE = 64 * 1024 * 1024;

/**
 * Lines that end with LF or CR LF, and with nothing else: JSON may hold U+2028 and U+2029 as they are, and Node's
 * readline ends a line there, so that one name in it would break a log in two.
 * @throws RangeError for a line that does not end
 */
export async function* linesOf(
  input: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of input) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    if (!rest.includes('\n')) {
      if (rest.length > MAX_LINE) throw new RangeError(`a line is longer than ${MAX_LINE} characters`);
      continue;
    }
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
  rest += decoder.decode();
  if (rest !== '') yield rest;
}
