/** JSON lines as loggers write them, and the journal's. */
import type { WallClock } from './clock.ts';
import { type Role, rankOf, roleOf, setRole } from './named-fields.ts';
import { type LineReader, type LogRecord, setMessage } from './reader.ts';
import { goesOn, type TraceState } from './traces.ts';
import type { DetectedFormat } from './types.ts';

const SHARE = 0.8;
const MAX_COLUMNS = 40;

/** Undefined where the sample is something else. */
export function jsonReader(sample: readonly string[], clock: WallClock): LineReader | undefined {
  const lines = sample.filter((line) => line.trim() !== '');
  const parsed = lines.map(parseObject).filter((object) => object !== undefined);
  if (lines.length === 0 || parsed.length / lines.length < SHARE) return undefined;
  const journal = parsed.some((object) => '__REALTIME_TIMESTAMP' in object);
  const roles = new Map<string, Role>();
  for (const object of parsed)
    for (const [name] of leaves(object)) {
      const role = roleOf(name);
      if (role !== undefined) roles.set(name, role);
    }
  const format: DetectedFormat = {
    name: journal ? 'journal-json' : 'json',
    fields: [...roles].map(([name, role]) => ({
      kind: role === 'message' || role === 'stack' ? 'other' : role,
      name,
    })),
    timeFormat: [...roles].find(([, role]) => role === 'time')?.[0],
    yearInferred: false,
    zoneInferred: false,
    confidence: parsed.length / lines.length,
  };
  const state: TraceState = { kind: 'none' };
  return {
    read(line, record) {
      const object = parseObject(line);
      if (object === undefined) {
        if (goesOn(line, state)) return false;
        setMessage(record, line);
        return true;
      }
      fill(record, object, clock);
      return true;
    },
    format: () => ({ ...format, zoneInferred: clock.zoneInferred }),
  };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  let at = 0;
  while (line.charCodeAt(at) <= 32 || line.charCodeAt(at) === 0xfeff) at++;
  if (line.charCodeAt(at) !== 123) return undefined;
  try {
    return JSON.parse(at === 0 ? line : line.slice(at)) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

type Leaf = readonly [name: string, value: string | number | boolean];

/** Values by name; those of objects within as `outer.inner`, one level deep. */
function* leaves(object: Record<string, unknown>): Generator<Leaf> {
  for (const [name, value] of Object.entries(object)) {
    if (isScalar(value)) yield [name, value];
    else if (Array.isArray(value)) {
      const text = bytesToText(value);
      if (text !== undefined) yield [name, text];
    } else if (typeof value === 'object' && value !== null)
      for (const [inner, leaf] of Object.entries(value)) if (isScalar(leaf)) yield [`${name}.${inner}`, leaf];
  }
}

const isScalar = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** The journal writes texts that are no UTF-8 as lists of bytes. */
function bytesToText(value: readonly unknown[]): string | undefined {
  if (value.length === 0 || !value.every((byte) => typeof byte === 'number' && byte >= 0 && byte < 256))
    return undefined;
  return Buffer.from(value as number[]).toString('utf8');
}

function fill(record: LogRecord, object: Record<string, unknown>, clock: WallClock): void {
  const found = new Map<Role, { rank: number; value: string | number }>();
  const others: Leaf[] = [];
  for (const leaf of leaves(object)) {
    const [name, value] = leaf;
    const role = roleOf(name);
    if (role === undefined || typeof value === 'boolean') {
      if (others.length < MAX_COLUMNS) others.push(leaf);
      continue;
    }
    const rank = rankOf(role, name);
    if (rank < (found.get(role)?.rank ?? 1e9)) found.set(role, { rank, value });
  }
  for (const [role, { value }] of found) setRole(record, role, value, clock);
  if (record.message === '') setMessage(record, others.map(([name, value]) => `${name}=${value}`).join(' '));
}
