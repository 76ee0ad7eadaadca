import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { analyze, NOW, rendered, START, usual, withFolder } from '../../../fakes/analyze-log.ts';

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
