import type { Edit, Replaced } from './edit.ts';

const CONTEXT = 3;

/** Whole lines of the old bytes that change together, and what they become. */
interface Region {
  from: number;
  to: number;
  after: Buffer;
}

/** A unified diff of an edit, made from where it was rather than by comparing; cut at `maxChars`. */
export function unifiedDiff(
  path: string,
  before: Buffer,
  edit: Edit,
  maxChars: number,
): { diff: string; truncated: boolean } {
  const hunks = hunksOf(regionsOf(before, edit), before);
  let diff = `--- ${path}\n+++ ${path}\n`;
  let oldLine = 1;
  let from = 0;
  let shift = 0;
  for (const hunk of hunks) {
    oldLine += newlines(before, from, hunk.from);
    from = hunk.from;
    const lines: string[] = [];
    let at = hunk.from;
    for (const region of hunk.regions) {
      lines.push(...linesIn(before.subarray(at, region.from), ' '));
      lines.push(...changed(before.subarray(region.from, region.to), region.after));
      at = region.to;
    }
    lines.push(...linesIn(before.subarray(at, hunk.to), ' '));
    const removed = lines.filter((line) => line.startsWith(' ') || line.startsWith('-')).length;
    const added = lines.filter((line) => line.startsWith(' ') || line.startsWith('+')).length;
    const text = `@@ -${range(oldLine, removed)} +${range(oldLine + shift, added)} @@\n${lines.join('\n')}\n`;
    if (diff.length + text.length > maxChars)
      return { diff: `${diff}${text.slice(0, Math.max(0, maxChars - diff.length))}\n…\n`, truncated: true };
    diff += text;
    shift += added - removed;
  }
  return { diff, truncated: false };
}

/** An empty range is named by the line before it. */
const range = (line: number, count: number) => (count === 0 ? `${line - 1},0` : `${line},${count}`);

function regionsOf(before: Buffer, { replaced, replacement }: Edit): Region[] {
  const groups: { from: number; to: number; places: Replaced[] }[] = [];
  for (const place of replaced) {
    const from = lineStart(before, place.at);
    // A piece that ends in a newline takes the next line along: text after it may join.
    const to = lineEnd(before, place.at + place.length);
    const last = groups.at(-1);
    if (last !== undefined && from < last.to) {
      last.to = Math.max(last.to, to);
      last.places.push(place);
    } else groups.push({ from, to, places: [place] });
  }
  return groups.map(({ from, to, places }) => {
    const pieces: Buffer[] = [];
    let at = from;
    for (const place of places) {
      pieces.push(before.subarray(at, place.at), replacement);
      at = place.at + place.length;
    }
    pieces.push(before.subarray(at, to));
    return { from, to, after: Buffer.concat(pieces) };
  });
}

function hunksOf(
  regions: readonly Region[],
  before: Buffer,
): { from: number; to: number; regions: Region[] }[] {
  const hunks: { from: number; to: number; regions: Region[] }[] = [];
  for (const region of regions) {
    let from = region.from;
    for (let n = 0; n < CONTEXT && from > 0; n++) from = lineStart(before, from - 1);
    let to = region.to;
    for (let n = 0; n < CONTEXT && to < before.length; n++) to = lineEnd(before, to);
    const last = hunks.at(-1);
    if (last !== undefined && from <= last.to) {
      last.to = to;
      last.regions.push(region);
    } else hunks.push({ from, to, regions: [region] });
  }
  return hunks;
}

const lineStart = (bytes: Buffer, at: number): number => (at === 0 ? 0 : bytes.lastIndexOf(10, at - 1) + 1);
function lineEnd(bytes: Buffer, at: number): number {
  const found = bytes.indexOf(10, at);
  return found < 0 ? bytes.length : found + 1;
}

function newlines(bytes: Buffer, from: number, to: number): number {
  let count = 0;
  for (let at = bytes.indexOf(10, from); at >= 0 && at < to; at = bytes.indexOf(10, at + 1)) count++;
  return count;
}

/** Each line with its sign; one without an end carries the remark of diff(1), so that it is another line. */
function linesIn(bytes: Buffer, sign: ' ' | '-' | '+'): string[] {
  if (bytes.length === 0) return [];
  const text = bytes.toString('utf8');
  const lines = text.split('\n').map((line) => `${sign}${line}`);
  const last = lines.pop() ?? '';
  return text.endsWith('\n') ? lines : [...lines, `${last}\n\\ No newline at end of file`];
}

/** Removed then added lines, without those that are the same at both ends. */
function changed(old: Buffer, now: Buffer): string[] {
  const removed = linesIn(old, '-');
  const added = linesIn(now, '+');
  const same = (a: string | undefined, b: string | undefined) =>
    a !== undefined && b !== undefined && a.slice(1) === b.slice(1);
  const head: string[] = [];
  while (same(removed[0], added[0])) {
    head.push(` ${(removed.shift() ?? '').slice(1)}`);
    added.shift();
  }
  const tail: string[] = [];
  while (same(removed.at(-1), added.at(-1))) {
    tail.unshift(` ${(removed.pop() ?? '').slice(1)}`);
    added.pop();
  }
  return [...head, ...removed, ...added, ...tail];
}
