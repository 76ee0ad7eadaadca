/** Lines of values between commas, semicolons or tabs, with or without a line of names. */
import type { WallClock } from './clock.ts';
import { type Role, roleOf, setRole, timeOfText } from './named-fields.ts';
import { type LineReader, setMessage } from './reader.ts';

const SHARE = 0.95;
const LEAST_COLUMNS = 4;
const MAX_COLUMNS = 100;
const NAME = /^[A-Za-z_@#][\w .@()/#-]{0,60}$/;
const LOOKED_AT = 200;

/** Undefined where the sample is something else. */
export function csvReader(sample: readonly string[], clock: WallClock): LineReader | undefined {
  const lines = sample.filter((line) => line.trim() !== '').slice(0, LOOKED_AT);
  if (lines.length < 3) return undefined;
  for (const mark of [',', ';', '\t']) {
    const rows = lines.map((line) => split(line, mark));
    const width = rows[1]?.length ?? 0;
    const share = rows.filter((row) => row.length === width).length / rows.length;
    const names = rows[0] ?? [];
    const named =
      names.length === width && names.every((name) => NAME.test(name.trim())) && names.some(roleOf);
    if (width < (named ? LEAST_COLUMNS - 1 : LEAST_COLUMNS) || share < SHARE) continue;
    const roles = columnRoles(named ? names : [], rows.slice(1), width, clock);
    if (!roles.includes('time') || !roles.includes('message')) continue;
    return reader(mark, roles, named ? names : [], share, clock);
  }
  return undefined;
}

function reader(
  mark: string,
  roles: readonly (Role | undefined)[],
  names: readonly string[],
  confidence: number,
  clock: WallClock,
): LineReader {
  const title = names.join(mark);
  return {
    read(line, record) {
      const row = split(line, mark);
      if (row.length < roles.length - 1 || line === title) {
        setMessage(record, line);
        return true;
      }
      roles.forEach((role, i) => {
        const value = row[i];
        if (role !== undefined && value !== undefined && value !== '') setRole(record, role, value, clock);
      });
      if (record.message === '') setMessage(record, line);
      return true;
    },
    format: () => ({
      name: 'csv',
      fields: roles.map((role, i) => ({
        kind: role === undefined || role === 'message' || role === 'stack' ? 'other' : role,
        ...(names[i] === undefined ? {} : { name: names[i].trim() }),
      })),
      timeFormat: names[roles.indexOf('time')] ?? 'column',
      yearInferred: clock.yearInferred,
      zoneInferred: clock.zoneInferred,
      confidence,
    }),
  };
}

/** By their names, else by what stands in them: a time, and the longest text as the message. */
function columnRoles(
  names: readonly string[],
  rows: readonly string[][],
  width: number,
  clock: WallClock,
): (Role | undefined)[] {
  const roles = Array.from({ length: width }, (_, i) => roleOf(names[i]?.trim() ?? ''));
  const most = (i: number, test: (value: string) => boolean) =>
    rows.filter((row) => test(row[i] ?? '')).length >= rows.length * 0.9;
  if (!roles.includes('time')) {
    const at = roles.findIndex(
      (role, i) => role === undefined && most(i, (value) => timeOfText(value, clock) !== undefined),
    );
    if (at >= 0) roles[at] = 'time';
  }
  if (!roles.includes('message')) {
    const sizes = roles.map((role, i) =>
      role === undefined && !most(i, (value) => !value.includes(' '))
        ? rows.reduce((sum, row) => sum + (row[i]?.length ?? 0), 0)
        : 0,
    );
    const longest = Math.max(...sizes);
    if (longest > 0) roles[sizes.indexOf(longest)] = 'message';
  }
  return roles;
}

/** Quotes keep the mark within a value; two of them are one. */
function split(line: string, mark: string): string[] {
  const values: string[] = [];
  let at = 0;
  while (at <= line.length && values.length < MAX_COLUMNS) {
    if (line.charCodeAt(at) === 34) {
      let end = line.indexOf('"', at + 1);
      while (end >= 0 && line.charCodeAt(end + 1) === 34) end = line.indexOf('"', end + 2);
      if (end < 0) end = line.length;
      values.push(line.slice(at + 1, end).replaceAll('""', '"'));
      const next = line.indexOf(mark, end);
      if (next < 0) break;
      at = next + 1;
      continue;
    }
    const end = line.indexOf(mark, at);
    values.push(line.slice(at, end < 0 ? undefined : end));
    if (end < 0) break;
    at = end + 1;
  }
  return values;
}
