import { appendFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openFileSet } from '../../../../../agent/logs/sources/file-set.ts';
import { withFolder } from '../../../../fakes/analyze-log.ts';

const open = (path: string, more: { lines?: number; signal?: AbortSignal; anchor?: string } = {}) =>
  openFileSet({
    path,
    rules: { access: { read: ['/'] }, protectedPaths: { unreadable: [] } },
    wanted: { lines: more.lines ?? 1_000_000 },
    rotated: true,
    times: { nowMs: 0, toUtcMs: (ms) => ms },
    signal: more.signal ?? new AbortController().signal,
    anchor: more.anchor,
  });

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => `line ${from + n}\n`).join('');

async function linesOf(source: Awaited<ReturnType<typeof open>>) {
  const lines: string[] = [];
  const report = await source.read((line) => lines.push(line));
  await source[Symbol.asyncDispose]();
  return { lines, report };
}

describe('[logs-2] a log that changes between its opening and its reading', () => {
  it('is read to the end that it had, though it grew and was rotated', async () => {
    await using folder = await withFolder();
    folder.write('log.1', numbered(0, 10));
    const path = folder.write('log', numbered(10, 20));
    const source = await open(path);
    appendFileSync(path, numbered(20, 30));
    renameSync(`${path}.1`, `${path}.2`);
    renameSync(path, `${path}.1`);
    writeFileSync(path, 'of the next one\n');
    const { lines, report } = await linesOf(source);
    expect(lines.join('\n')).toBe(numbered(0, 20).trimEnd());
    expect(report).toMatchObject({ more: false, files: [{ lines: 10 }, { lines: 10 }] });
    // Who comes back with the anchor reads the same, wherever it lies by now.
    expect(
      (await linesOf(await open(path, report.anchor === undefined ? {} : { anchor: report.anchor }))).lines,
    ).toEqual(lines);
  });

  it('gives what is left when it was cut', async () => {
    await using folder = await withFolder();
    const path = folder.write('log', numbered(0, 50_000));
    const source = await open(path);
    truncateSync(path, 70);
    const { lines, report } = await linesOf(source);
    expect(lines).toHaveLength(10);
    expect(report.files).toMatchObject([{ lines: 10 }]);
  });

  it('stops in the middle', async () => {
    await using folder = await withFolder();
    const path = folder.write('log', numbered(0, 500_000));
    const abort = new AbortController();
    const source = await open(path, { signal: abort.signal });
    let lines = 0;
    const reading = source.read(() => {
      if (++lines === 1000) abort.abort(new Error('enough'));
    });
    await expect(reading).rejects.toThrow('enough');
    expect(lines).toBeLessThan(100_000);
    await source[Symbol.asyncDispose]();
  });

  it('knows whether there is more, and how the first line is numbered', async () => {
    await using folder = await withFolder();
    const path = folder.write('log', numbered(0, 100));
    expect((await linesOf(await open(path, { lines: 100 }))).report).toMatchObject({
      more: false,
      firstLine: 1,
    });
    expect((await linesOf(await open(path, { lines: 30 }))).report).toMatchObject({
      more: true,
      firstLine: 71,
    });
    folder.write('log.1', numbered(0, 5));
    expect((await linesOf(await open(path, { lines: 100 }))).report).toMatchObject({
      more: true,
      firstLine: 1,
    });
    expect((await linesOf(await open(path, { lines: 103 }))).report).toMatchObject({
      more: true,
      firstLine: undefined,
    });
  });
});
