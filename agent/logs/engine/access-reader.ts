/** Access logs of web servers, common and combined, with or without the name of the host before them. */
import type { WallClock } from './clock.ts';
import { type LineReader, type LogRecord, setMessage } from './reader.ts';
import { createStamp } from './stamp.ts';
import { STAMP_FORMATS } from './stamp-formats.ts';

const SHARE = 0.8;
const readStamp = STAMP_FORMATS.find(({ name }) => name === 'access')?.read;
const stamp = createStamp();
const MAX_REQUEST = 4000;

/** Undefined where the sample is something else. */
export function accessReader(sample: readonly string[], clock: WallClock): LineReader | undefined {
  const lines = sample.filter((line) => line.trim() !== '');
  const hits = lines.filter((line) => parse(line) !== undefined).length;
  if (lines.length === 0 || hits / lines.length < SHARE) return undefined;
  return {
    read(line, record) {
      const entry = parse(line);
      if (entry === undefined) setMessage(record, line);
      else fill(record, line, entry, clock);
      return true;
    },
    format: () => ({
      name: 'access',
      fields: [{ kind: 'host' }, { kind: 'other' }, { kind: 'other' }, { kind: 'time' }],
      timeFormat: 'access',
      yearInferred: false,
      zoneInferred: clock.zoneInferred,
      confidence: hits / lines.length,
    }),
  };
}

interface Entry {
  host: string;
  requestAt: number;
  requestEnd: number;
  status: string;
}

/** `HOST IDENT USER [TIME] "REQUEST" STATUS SIZE …`; leaves the time in `stamp`. */
function parse(line: string): Entry | undefined {
  const open = line.indexOf(' [');
  if (open <= 0 || open > 600 || readStamp === undefined) return undefined;
  const end = readStamp(line, open + 2, stamp);
  if (end < 0 || !line.startsWith('] "', end)) return undefined;
  const requestAt = end + 3;
  let requestEnd = requestAt;
  for (; ; requestEnd++) {
    const code = line.charCodeAt(requestEnd);
    if (code === 34) break;
    if (code === 92) requestEnd++;
    if (requestEnd >= line.length) return undefined;
  }
  const status = line.slice(requestEnd + 2, requestEnd + 5);
  if (!/^[1-5]\d\d$/.test(status)) return undefined;
  const before = line.slice(0, open).split(' ');
  return { host: (before.length > 3 ? before[1] : before[0]) ?? '', requestAt, requestEnd, status };
}

function fill(record: LogRecord, line: string, entry: Entry, clock: WallClock): void {
  const { host, requestAt, requestEnd, status } = entry;
  record.timeMs = clock.toMs(stamp);
  record.host = host;
  record.level = status >= '500' ? 'error' : status >= '400' ? 'warning' : 'info';
  record.message = line.slice(requestAt - 1);
  record.suffix = status;
  const request = line.slice(requestAt, Math.min(requestEnd, requestAt + MAX_REQUEST));
  const method = /^[A-Z]{3,20} /.exec(request)?.[0];
  if (method === undefined) {
    record.mined = request;
    return;
  }
  const last = request.lastIndexOf(' HTTP/');
  const target = request.slice(method.length, last < method.length ? undefined : last);
  // Whatever is in it, it is one value.
  record.mined = `${method}/${target.replaceAll(/[^\w./?=&%-]/g, '_').replace(/^\/+/, '')}`;
}
