const LINES = 4;
const WIDTH = 160;

/** The end of an agent's log for a person who installs: a few lines, without the fields that only machines read. */
export function lastWords(log: string): string {
  const lines = log.trim().split('\n').slice(-LINES).map(readable);
  const text = lines
    .map((line) => `\n  ${line.length > WIDTH ? `${line.slice(0, WIDTH - 1)}…` : line}`)
    .join('');
  return log.trim() === '' ? '' : ` Its last words:${text}`;
}

function readable(line: string): string {
  try {
    const { time, level, msg, err, hint, detail } = JSON.parse(line) as Record<string, unknown>;
    const message = (err as { message?: unknown } | undefined)?.message;
    const said = [msg, detail, message === undefined ? undefined : `(${String(message)})`, hint];
    return [String(time ?? '').slice(11, 19), String(level ?? '').toUpperCase(), ...said]
      .filter((part) => part !== undefined && part !== '')
      .join(' ');
  } catch {
    return line.trim();
  }
}
