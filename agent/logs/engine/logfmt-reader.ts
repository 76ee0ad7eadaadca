/** `time=… level=info msg="…" key=value`. */
import type { WallClock } from './clock.ts';
import { type Role, roleOf, setRole } from './named-fields.ts';
import { type LineReader, setMessage } from './reader.ts';
import { goesOn, type TraceState } from './traces.ts';

const SHARE = 0.8;
const LEAST_PAIRS = 3;
const PAIR = /([A-Za-z_@][\w.@/-]{0,63})=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?=\s|$)/y;

/** Undefined where the sample is something else. */
export function logfmtReader(sample: readonly string[], clock: WallClock): LineReader | undefined {
  const lines = sample.filter((line) => line.trim() !== '');
  const names = new Map<string, Role>();
  let hits = 0;
  for (const line of lines) {
    const found = pairs(line);
    if (found.length < LEAST_PAIRS) continue;
    const roles = found.map(([name]) => [name, roleOf(name)] as const);
    if (!roles.some(([, role]) => role === 'message' || role === 'level' || role === 'time')) continue;
    hits++;
    for (const [name, role] of roles) if (role !== undefined) names.set(name, role);
  }
  if (lines.length === 0 || hits / lines.length < SHARE) return undefined;
  const state: TraceState = { kind: 'none' };
  return {
    read(line, record) {
      const found = pairs(line);
      if (found.length === 0) {
        if (goesOn(line, state)) return false;
        setMessage(record, line);
        return true;
      }
      const others: string[] = [];
      for (const [name, value] of found) {
        const role = roleOf(name);
        if (role === undefined) others.push(`${name}=${value}`);
        else setRole(record, role, value, clock);
      }
      if (record.message === '') setMessage(record, others.join(' '));
      return true;
    },
    format: () => ({
      name: 'logfmt',
      fields: [...names].map(([name, role]) => ({
        kind: role === 'message' || role === 'stack' ? 'other' : role,
        name,
      })),
      timeFormat: [...names].find(([, role]) => role === 'time')?.[0],
      yearInferred: false,
      zoneInferred: clock.zoneInferred,
      confidence: hits / lines.length,
    }),
  };
}

const MAX_PAIRS = 100;

/** Those that the line begins with; none where it goes on with something else. */
function pairs(line: string): [name: string, value: string][] {
  const found: [string, string][] = [];
  let at = 0;
  while (at < line.length && found.length < MAX_PAIRS) {
    while (line.charCodeAt(at) === 32) at++;
    if (at >= line.length) break;
    PAIR.lastIndex = at;
    const match = PAIR.exec(line);
    if (match === null) return [];
    found.push([
      match[1] as string,
      match[2] === undefined ? (match[3] as string) : match[2].replaceAll(/\\(.)/g, escaped),
    ]);
    at = PAIR.lastIndex;
  }
  return found;
}

const escaped = (_: string, letter: string): string =>
  letter === 'n' ? '\n' : letter === 't' ? '\t' : letter;
