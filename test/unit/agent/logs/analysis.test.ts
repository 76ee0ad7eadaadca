import { appendFileSync, renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { analyzeLog } from '../../../../agent/logs/analysis.ts';
import {
  type AnalyzeLog,
  type AnalyzeLogInput,
  analyzeLogArgumentsSchema,
  analyzeLogSchema,
} from '../../../../protocol/log-tools.ts';
import { render, sentences, TRACE, usualEvents } from '../../../fakes/generated-log.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const START = Date.parse('2026-01-31T10:00:00Z');
const NOW = START + 24 * 3_600_000;
const MIN = 60_000;

async function analyze(
  args: AnalyzeLogInput,
  more: { maxLines?: number; journalctl?: string; read?: string[]; signal?: AbortSignal } = {},
) {
  const order = {
    args: analyzeLogArgumentsSchema.parse(args),
    rules: { access: { read: more.read ?? ['/'] }, protectedPaths: { unreadable: [] } },
    maxLines: more.maxLines ?? 1_000_000,
    journalctl: more.journalctl ?? 'journalctl',
    nowMs: NOW,
  };
  const { structured, text } = await analyzeLog(order, more.signal ?? new AbortController().signal);
  const log = analyzeLogSchema.parse(structured);
  expectCounts(log);
  expect(Buffer.byteLength(JSON.stringify(log)) + Buffer.byteLength(text)).toBeLessThan(24 * 1024);
  return { log, text };
}

const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);

/** Whatever is asked, nothing that was read is lost or counted twice. */
function expectCounts(log: AnalyzeLog): void {
  const messages = log.lines_analyzed - log.continuation_lines;
  expect(sum(Object.values(log.levels))).toBe(messages);
  expect(sum(log.patterns.map(({ count }) => count)) + (log.other_patterns?.count ?? 0)).toBe(messages);
  expect(log.lines_analyzed + (log.lines_compared ?? 0)).toBeLessThanOrEqual(log.lines_read);
  if (log.files !== undefined) expect(sum(log.files.map(({ lines }) => lines))).toBe(log.lines_read);
}

async function withFolder() {
  const home = await createTempHome();
  const write = (name: string, content: string | Buffer) => {
    writeFileSync(home.join(name), content);
    return home.join(name);
  };
  return { home, write, [Symbol.asyncDispose]: () => home.remove() };
}

const usual = (count: number, more: { fromMs?: number; seed?: number; everyMs?: number } = {}) =>
  usualEvents({ fromMs: START, everyMs: 1000, count, ...more });
const rendered = (events: ReturnType<typeof usual>) => events.map(render).join('');

describe('an analysis', () => {
  it('[logs-1] counts every line once: levels, patterns, histogram', async () => {
    await using folder = await withFolder();
    const events = usual(3000);
    for (const at of [100, 200, 2900])
      events[at] = { ms: START + at * 1000, level: 'ERROR', text: `query ${at} failed`, trace: TRACE };
    const { log, text } = await analyze({ log_path: folder.write('app.log', rendered(events)), lines: 0 });
    const levelOf = (name: string) => events.filter(({ level }) => level === name).length;
    expect(log).toMatchObject({
      lines_read: 3009,
      lines_analyzed: 3009,
      continuation_lines: 9,
      whole: true,
      line_numbers: 'file',
      levels: { error: 3, warning: levelOf('WARN'), info: levelOf('INFO'), debug: levelOf('DEBUG') },
      levels_guessed: 0,
      first_time: '2026-01-31T10:00:00.000Z',
      last_time: '2026-01-31T10:49:59.000Z',
      errors: [{ count: 3, line: 101, stack: [...TRACE].map((line) => line.replace('\t', '')) }].map(
        (group) => ({
          ...group,
          stack: TRACE.map((line) => expect.stringContaining(line.trim())),
        }),
      ),
    });
    expect(sum(log.histogram?.lines ?? []) + (log.histogram?.untimed ?? 0)).toBe(3009);
    expect(sum(log.histogram?.errors ?? [])).toBe(12);
    expect(log.patterns).toHaveLength(4);
    expect(text).toContain('3× [error] line 101');
  });

  it('looks at the last 100 lines when nothing is said, and numbers them as the file does', async () => {
    await using folder = await withFolder();
    const path = folder.write('app.log', rendered(usual(500)));
    const { log } = await analyze({ log_path: path });
    expect(log).toMatchObject({ lines_read: 100, whole: false, line_numbers: 'file' });
    expect(Math.min(...log.patterns.flatMap(({ at_lines: at }) => at))).toBe(401);
  });

  it('says so when the VM analyzes no more', async () => {
    await using folder = await withFolder();
    const path = folder.write('app.log', rendered(usual(500)));
    const limited = await analyze({ log_path: path, lines: 0 }, { maxLines: 50 });
    expect(limited.log).toMatchObject({ lines_read: 50, limited_by: 'max_lines', whole: false });
    expect(limited.text).toContain('max_lines');
    expect((await analyze({ log_path: path, lines: 50 }, { maxLines: 50 })).log.limited_by).toBeUndefined();
  });

  it('copes with an empty log, NUL, no UTF-8, a line of 10 MB, CRLF and a missing end of line', async () => {
    await using folder = await withFolder();
    expect((await analyze({ log_path: folder.write('empty', '') })).log).toMatchObject({
      lines_read: 0,
      patterns: [],
    });
    const bytes = Buffer.concat([
      Buffer.from(`${'x'.repeat(10_000_000)}\nERROR a\0b\x1b[31m red\r\nERROR `),
      Buffer.from([0xff, 0xfe]),
    ]);
    const { log } = await analyze({ log_path: folder.write('odd', bytes) });
    expect(log).toMatchObject({ lines_read: 3, levels: { error: 2 } });
    expect(JSON.stringify(log)).not.toMatch(/\\u001b|\\u0000/);
  });

  it('masks secrets and personal data, and says how many', async () => {
    await using folder = await withFolder();
    const events = usual(50).map((event, at) => ({
      ...event,
      text: `login of joe${at}@example.com with password=hunter2 ok`,
    }));
    const { log, text } = await analyze({ log_path: folder.write('app.log', rendered(events)) });
    expect(`${JSON.stringify(log)}${text}`).not.toMatch(/hunter2|@example\.com/);
    expect(log.masked['e-mail address']).toBeGreaterThan(0);
    expect(log.masked['secret by its name']).toBeGreaterThan(0);
  });

  it('shows all patterns page by page, also while the log grows and is rotated', async () => {
    await using folder = await withFolder();
    const kinds = sentences(50);
    const events = usual(400).map((event, at) => ({ ...event, text: `${kinds[at % 50]} ${at}` }));
    const path = folder.write('app.log', rendered(events));
    const first = (await analyze({ log_path: path, lines: 0 })).log;
    const all = first.patterns.length + (first.other_patterns?.patterns ?? 0);
    expect(first.next_cursor).toBeDefined();
    appendFileSync(path, rendered(usual(300, { fromMs: START + 1e6, seed: 5 })));
    renameSync(path, `${path}.1`);
    folder.write('app.log', 'a new line\n');
    const ids = new Set(first.patterns.map(({ id }) => id));
    let pages = 0;
    for (let cursor = first.next_cursor; cursor !== undefined && pages < 50; pages++) {
      const { log } = await analyze({ log_path: path, lines: 0, cursor });
      expect(log.lines_read).toBe(400);
      for (const { id } of log.patterns) ids.add(id);
      cursor = log.next_cursor;
    }
    expect(ids.size).toBe(all);
  });

  it('says more about one pattern', async () => {
    await using folder = await withFolder();
    const path = folder.write('app.log', rendered(usual(300)));
    const [first] = (await analyze({ log_path: path, lines: 0 })).log.patterns;
    const { log } = await analyze({ log_path: path, lines: 0, pattern: first?.id ?? '' });
    expect(log.patterns).toMatchObject([{ id: first?.id, count: first?.count }]);
    expect(log.patterns[0]?.more_examples?.length).toBeGreaterThan(2);
    expect(sum(log.histogram?.lines ?? [])).toBe(first?.count);
    await expect(analyze({ log_path: path, pattern: 'nothing' })).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('filters by time, level and expression', async () => {
    await using folder = await withFolder();
    const path = folder.write('app.log', rendered(usual(600)));
    const window = { since: '2026-01-31T10:02:00Z', until: '2026-01-31T10:03:59.999Z' };
    expect((await analyze({ log_path: path, ...window })).log).toMatchObject({
      lines_read: 600,
      lines_analyzed: 120,
      whole: true,
    });
    const { log } = await analyze({ log_path: path, level: 'warning', grep: 'queue|never' });
    expect(log.lines_analyzed).toBe(log.levels.warning);
    expect(log.patterns).toHaveLength(1);
  });
});

describe('[logs-2] sources of an analysis', () => {
  it('reads rotated files of every packing as one stream, oldest first', async () => {
    await using folder = await withFolder();
    const part = (n: number) => rendered(usual(100, { fromMs: START + n * 100_000, seed: n }));
    folder.write('app.log.3.gz', gzipSync(part(0)));
    folder.write('app.log.2.zst', zstdCompressSync(part(1)));
    folder.write('app.log.1', part(2).trimEnd());
    const path = folder.write('app.log', part(3));
    const { log } = await analyze({ log_path: path, lines: 0 });
    expect(log).toMatchObject({
      lines_read: 400,
      whole: true,
      line_numbers: 'read',
      first_time: '2026-01-31T10:00:00.000Z',
      last_time: '2026-01-31T10:06:39.000Z',
      files: [
        { lines: 100, compression: 'gzip' },
        { lines: 100, compression: 'zstd' },
        { lines: 100 },
        { lines: 100 },
      ],
    });
    const some = (await analyze({ log_path: path, lines: 250 })).log;
    expect(some.files?.map(({ lines }) => lines)).toEqual([50, 100, 100]);
    expect(some).toMatchObject({ whole: false, first_time: '2026-01-31T10:02:30.000Z' });
    expect((await analyze({ log_path: path, lines: 0, rotated: false })).log).toMatchObject({
      lines_read: 100,
    });
    expect((await analyze({ log_path: folder.home.join('app.log.3.gz'), lines: 0 })).log).toMatchObject({
      lines_read: 100,
    });
  });

  it('passes over older files that were last written before the window', async () => {
    await using folder = await withFolder();
    const old = folder.write('app.log.1', rendered(usual(10)));
    utimesSync(old, START / 1000, START / 1000);
    const path = folder.write('app.log', rendered(usual(100, { fromMs: NOW - 100_000 })));
    const { log } = await analyze({ log_path: path, since: '1h' });
    expect(log).toMatchObject({ lines_read: 100, whole: true });
  });

  it('reads no older file outside the folders that the caller may read', async () => {
    await using folder = await withFolder();
    folder.write('app.log.1', rendered(usual(10)));
    const path = folder.write('app.log', rendered(usual(20)));
    expect((await analyze({ log_path: path, lines: 0 }, { read: [path] })).log.lines_read).toBe(20);
    await expect(analyze({ log_path: path }, { read: [folder.home.join('other')] })).rejects.toMatchObject({
      code: 'path_refused',
    });
  });

  it('gives what came before the damage of a packed file, and says so', async () => {
    await using folder = await withFolder();
    const packed = gzipSync(rendered(usual(20_000)));
    const path = folder.write('app.log.gz', packed.subarray(0, packed.length - 2000));
    const { log } = await analyze({ log_path: path, lines: 0 });
    expect(log.lines_read).toBeGreaterThan(1000);
    expect(log.files).toMatchObject([{ compression: 'gzip', damaged: true }]);
  });

  it('asks journalctl about a unit, and says why when it may not', async () => {
    await using folder = await withFolder();
    const entry = (at: number, priority: number, message: unknown) =>
      JSON.stringify({
        __REALTIME_TIMESTAMP: String((START + at * 1000) * 1000),
        PRIORITY: String(priority),
        SYSLOG_IDENTIFIER: 'nginx',
        _PID: '7',
        _HOSTNAME: 'web-1',
        MESSAGE: message,
        _SOURCE: 'x',
      });
    const entries = [
      entry(0, 6, 'started'),
      entry(1, 3, 'bind to 80 failed'),
      entry(2, 6, [...Buffer.from('bytes \xff', 'latin1')]),
    ];
    folder.write('entries', `${entries.join('\n')}\n`);
    const program = folder.home.join('journalctl');
    writeFileSync(
      program,
      `#!/bin/sh\necho "$*" > ${folder.home.join('asked')}\ncat ${folder.home.join('entries')}\n`,
      { mode: 0o755 },
    );
    const { log } = await analyze(
      { log_path: 'journal:nginx.service', since: '2026-01-31T10:00:00Z' },
      { journalctl: program },
    );
    expect(log).toMatchObject({
      lines_read: 3,
      levels: { error: 1, info: 2 },
      first_time: '2026-01-31T10:00:00.000Z',
    });
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(folder.home.join('asked'), 'utf8')).toMatch(
      /--output=json .*--unit=nginx.service --lines=1000000 --since=@1769853600.000/,
    );
    const refused = analyze(
      { log_path: 'journal:nginx.service' },
      { journalctl: program, read: [folder.home.path] },
    );
    await expect(refused).rejects.toMatchObject({ code: 'path_refused' });
    await expect(analyze({ log_path: 'journal:--vacuum-size=1' })).rejects.toMatchObject({
      code: 'bad_request',
    });
    const missing = analyze({ log_path: 'journal:x' }, { journalctl: folder.home.join('none') });
    await expect(missing).rejects.toMatchObject({ code: 'unsupported' });
    writeFileSync(
      program,
      '#!/bin/sh\necho "No journal files were opened due to insufficient permissions." >&2; exit 1\n',
      { mode: 0o755 },
    );
    await expect(analyze({ log_path: 'journal:x' }, { journalctl: program })).rejects.toMatchObject({
      code: 'forbidden',
    });
  });

  it('stops when it is asked to', async () => {
    await using folder = await withFolder();
    const path = folder.write('app.log', rendered(usual(10)));
    await expect(
      analyze({ log_path: path }, { signal: AbortSignal.abort(new Error('enough')) }),
    ).rejects.toThrow('enough');
  });
});

describe('[logs-3] what stands out', () => {
  const kinds = ({ findings }: AnalyzeLog) => new Set(findings.map(({ kind }) => kind));

  it('is nothing in a log where nothing does', async () => {
    await using folder = await withFolder();
    const { log } = await analyze({ log_path: folder.write('app.log', rendered(usual(5000))), lines: 0 });
    expect(log.findings).toEqual([]);
  });

  it('is a burst, a silence, something new, a rare error and what comes no more', async () => {
    await using folder = await withFolder();
    const events = usual(6000);
    const extra = (ms: number, level: string, text: string) => ({ ms, level, text });
    for (let n = 0; n < 200; n++)
      events.push(extra(START + 50 * MIN + n * 100, 'WARN', `disk sd${n % 3} is slow`));
    for (let n = 0; n < 30; n++) events.push(extra(START + n * 2 * MIN, 'INFO', `heartbeat number ${n}`));
    events.push(extra(START + 20 * MIN, 'ERROR', 'cannot open the license file'));
    for (let n = 0; n < 5; n++)
      events.push(extra(START + (125 + n) * MIN, 'ERROR', `payment provider answered ${500 + n}`));
    const later = (ms: number) => (ms > START + 80 * MIN ? ms + 30 * MIN : ms);
    const shifted = events.map((event) => ({ ...event, ms: later(event.ms) })).sort((a, b) => a.ms - b.ms);
    const { log } = await analyze({ log_path: folder.write('app.log', rendered(shifted)), lines: 0 });
    expect(kinds(log)).toEqual(new Set(['new', 'burst', 'silence', 'rare_error', 'stopped']));
    expect(log.findings[0]).toMatchObject({
      kind: 'new',
      text: expect.stringContaining('new error: seen 5 times'),
    });
    expect(log.findings.find(({ kind }) => kind === 'silence')?.text).toContain('30 min');
    expect(log.findings.find(({ kind }) => kind === 'burst')?.at).toBe('2026-01-31T10:50:00.000Z');
  });

  it('is patterns that rise together', async () => {
    await using folder = await withFolder();
    const events = usual(3600);
    for (let n = 0; n < 120; n++) {
      const ms = START + 30 * MIN + n * 200;
      events.push(
        { ms, level: 'ERROR', text: `upstream ${n} timed out` },
        { ms, level: 'WARN', text: `retry of request ${n} scheduled` },
      );
    }
    events.sort((a, b) => a.ms - b.ms);
    const { log } = await analyze({ log_path: folder.write('app.log', rendered(events)), lines: 0 });
    const spike = log.findings.find(({ kind }) => kind === 'spike');
    expect(spike?.patterns).toHaveLength(2);
    expect(spike?.at).toBe('2026-01-31T10:30:00.000Z');
  });

  it('is what changed between two windows', async () => {
    await using folder = await withFolder();
    const events = usual(7200);
    for (let n = 0; n < 20; n++)
      events.push({ ms: START + 70 * MIN + n * MIN, level: 'ERROR', text: `mail to host ${n} bounced` });
    for (let n = 0; n < 60; n++)
      events.push({ ms: START + n * MIN, level: 'INFO', text: `backup of volume ${n} done` });
    events.sort((a, b) => a.ms - b.ms);
    const path = folder.write('app.log', rendered(events));
    const args = { log_path: path, since: '2026-01-31T11:00:00Z', compare_to: '2026-01-31T10:00:00Z' };
    const { log, text } = await analyze(args);
    expect(log.changes).toMatchObject([
      { change: 'gone', before: 60, now: 0 },
      { change: 'new', level: 'error', before: 0, now: 20 },
    ]);
    expect(log.lines_analyzed + (log.lines_compared ?? 0)).toBe(7280);
    expect(text).toContain('new [error] 0 → 20');
  });
});

describe('a log that is changed while it is read', () => {
  it('gives what it was when it was cut', async () => {
    await using folder = await withFolder();
    const path = folder.write('app.log', rendered(usual(20_000)));
    const running = analyze({ log_path: path, lines: 0 });
    truncateSync(path, 1000);
    const { log } = await running;
    expect(log.lines_read).toBeLessThanOrEqual(20_000);
  });

  it('is read to the end that it had when it was opened, whatever it is called by then', async () => {
    await using folder = await withFolder();
    const path = folder.write('app.log', rendered(usual(20_000)));
    let moved = false;
    const { log } = await analyze({ log_path: path, lines: 0 }).then((found) => {
      expect(moved).toBe(false);
      return found;
    });
    renameSync(path, `${path}.1`);
    moved = true;
    folder.write('app.log', rendered(usual(5, { fromMs: START + 1e8 })));
    const after = await analyze({ log_path: path, lines: 0 });
    expect(after.log.lines_read).toBe(log.lines_read + 5);
  });
});
