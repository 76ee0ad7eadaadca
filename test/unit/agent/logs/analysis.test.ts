import { appendFileSync, renameSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { AnalyzeLog } from '../../../../protocol/log-tools.ts';
import { analyze, MIN, rendered, START, sum, usual, withFolder } from '../../../fakes/analyze-log.ts';
import { sentences, TRACE } from '../../../fakes/generated-log.ts';

describe('an analysis', () => {
  it('[logs-6] counts every line once: levels, patterns, histogram', async () => {
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
