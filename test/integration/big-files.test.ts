import { execFile } from 'node:child_process';
import { open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../../scripts/lib/root.ts';
import { createTempHome } from '../fakes/temp-home.ts';

const MAX_RSS_KIB = 150 * 1024;
/** An analysis has a thread with a heap and, from the sources, a compiler of its own. */
const THREAD_RSS_KIB = 30 * 1024;

async function measure(path: string, calls: object[]) {
  const script = join(ROOT, 'test/integration/support/measure-reads.mts');
  const words = [script, path, ...calls.map((call) => JSON.stringify(call))];
  const { stdout } = await promisify(execFile)(process.execPath, words, { maxBuffer: 16 * 1024 * 1024 });
  return JSON.parse(stdout) as {
    answers: Record<string, unknown>[];
    bytes: number[];
    maxRssKiB: number;
  };
}

describe('[files-5] reading parts of large files', () => {
  it('takes little memory on a log of 1 GB', { timeout: 120_000 }, async () => {
    await using home = await createTempHome();
    const path = home.join('log');
    const line = (n: number) =>
      `2026-01-02T03:04:05Z INFO request ${String(n).padStart(9, '0')} done in 12 ms ${'.'.repeat(40)}\n`;
    const width = line(0).length;
    const perPiece = 100_000;
    const pieces = Math.ceil(2 ** 30 / (perPiece * width));
    const file = await open(path, 'w');
    for (let piece = 0; piece < pieces; piece++)
      await file.write(Array.from({ length: perPiece }, (_, n) => line(piece * perPiece + n)).join(''));
    await file.close();
    const total = pieces * perPiece;
    const middle = Math.floor(total / 2);
    const { answers, maxRssKiB } = await measure(path, [
      { offset: middle, limit: 2 },
      { offset: -2 },
      { unit: 'bytes', offset: 600_000_000, limit: 10 },
      { unit: 'bytes', offset: -width },
      { tool: 'tail', lines: 3 },
    ]);
    expect(answers).toMatchObject([
      { content: line(middle) + line(middle + 1), next_offset: middle + 2, truncated: true },
      { content: line(total - 2) + line(total - 1), truncated: false },
      { start_byte: 600_000_000, count: 10 },
      { content: line(total - 1) },
      { lines: [total - 3, total - 2, total - 1].map((n) => line(n).trimEnd()) },
    ]);
    expect(maxRssKiB).toBeLessThan(MAX_RSS_KIB);
    const analysis = await measure(path, [{ tool: 'analyze', lines: 10_000 }]);
    expect(analysis.answers).toMatchObject([{ lines_analyzed: 10_000, levels: { info: 10_000 } }]);
    expect(analysis.maxRssKiB).toBeLessThan(MAX_RSS_KIB + THREAD_RSS_KIB);
  });

  it('takes little memory on a sparse file of 10 GB', { timeout: 120_000 }, async () => {
    await using home = await createTempHome();
    const path = home.join('sparse');
    await writeFile(path, 'first\n');
    await truncate(path, 10 * 2 ** 30);
    const file = await open(path, 'a');
    await file.write('\nlast\n');
    await file.close();
    const { answers, maxRssKiB } = await measure(path, [
      { offset: 0, limit: 1 },
      { offset: -1 },
      { unit: 'bytes', offset: 5 * 2 ** 30, limit: 4, encoding: 'base64' },
      { offset: -2, limit: 1 },
      { tool: 'tail', lines: 1 },
    ]);
    expect(answers).toMatchObject([
      { content: 'first\n', next_offset: 1, size: 10 * 2 ** 30 + 6 },
      { content: 'last\n', truncated: false },
      { content: 'AAAAAA==', start_byte: 5 * 2 ** 30, next_offset: 5 * 2 ** 30 + 4 },
      { line_cut: true },
      { lines: ['last'] },
    ]);
    expect(maxRssKiB).toBeLessThan(MAX_RSS_KIB);
  });

  it('[logs-5] analyzes the end of a sparse log of 1 GB without reading the rest', async () => {
    await using home = await createTempHome();
    const path = home.join('log');
    await writeFile(path, 'first\n');
    await truncate(path, 2 ** 30);
    const file = await open(path, 'a');
    const line = (n: number) => `2026-01-02T03:04:05Z INFO request ${n} done in ${n % 90} ms\n`;
    await file.write(`\n${Array.from({ length: 2000 }, (_, n) => line(n)).join('')}`);
    await file.close();
    const call = { tool: 'analyze', lines: 1000 };
    const { answers, bytes } = await measure(path, [call, call]);
    expect(answers[1]).toMatchObject({ lines_read: 1000, levels: { info: 1000 }, line_numbers: 'read' });
    // The program of the thread is among them.
    expect(bytes[1]).toBeLessThan(8 * 2 ** 20);
  });
});
