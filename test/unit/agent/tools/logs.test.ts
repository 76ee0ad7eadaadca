import { appendFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { analyzeLogTool, type LogToolOptions } from '../../../../agent/tools/log-analyze.ts';
import { tailLogTool } from '../../../../agent/tools/log-tail.ts';
import { callTool } from '../../../fakes/call-tool.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const options: LogToolOptions = {
  enabled: true,
  maxLines: 10_000,
  protectedPaths: { unreadable: [], unwritable: [] },
};
const analyze = analyzeLogTool(options);
const tail = tailLogTool(options);

async function withLog(text: string | Buffer) {
  const home = await createTempHome();
  writeFileSync(home.join('log'), text);
  return { home, path: home.join('log'), [Symbol.asyncDispose]: () => home.remove() };
}

describe('analyze_log_file', () => {
  it('looks at the last lines only', async () => {
    await using log = await withLog(`${'INFO early\n'.repeat(500)}${'ERROR late\n'.repeat(20)}`);
    const { structured, text } = await callTool(analyze, { log_path: log.path, lines: 20 });
    expect(structured).toMatchObject({ lines_analyzed: 20, levels: { error: 20, info: 0 } });
    expect(text).toContain('20 (100.0 %) [error]');
  });

  it('takes no more lines than max_lines, and refuses what it does not know', async () => {
    await using log = await withLog('INFO x\n'.repeat(500));
    const small = analyzeLogTool({ ...options, maxLines: 50 });
    const { structured } = await callTool(small, { log_path: log.path, lines: 400 });
    expect(structured).toMatchObject({ lines_analyzed: 50, limited_by: 'max_lines' });
    await expect(callTool(small, { log_path: log.path, since: 'never' })).rejects.toMatchObject({
      code: 'bad_request',
      hint: expect.stringContaining('15m'),
    });
  });

  it('hands on what keeps a log from being read', async () => {
    const missing = callTool(analyze, { log_path: '/nowhere/log' });
    await expect(missing).rejects.toMatchObject({ code: 'not_found' });
    const access = { read: ['/srv'], write: [] };
    const refused = callTool(analyze, { log_path: '/etc/hostname' }, { access });
    await expect(refused).rejects.toMatchObject({ code: 'path_refused' });
    await using log = await withLog('x\n');
    const protectedPaths = { unreadable: [log.path], unwritable: [] };
    const guarded = callTool(analyzeLogTool({ ...options, protectedPaths }), { log_path: log.path });
    await expect(guarded).rejects.toMatchObject({ code: 'path_refused' });
  });

  it('runs any number of calls, two at a time', async () => {
    await using log = await withLog('INFO x\n'.repeat(50));
    const calls = Array.from({ length: 6 }, () => callTool(analyze, { log_path: log.path }));
    for (const { structured } of await Promise.all(calls))
      expect(structured).toMatchObject({ lines_read: 50 });
    const gone = callTool(
      analyze,
      { log_path: log.path },
      { signal: AbortSignal.abort(new Error('enough')) },
    );
    await expect(gone).rejects.toThrow('enough');
  });
});

describe('tail_log', () => {
  it('gives the last lines, and then only what is new', async () => {
    await using log = await withLog('a\nb\nc\n');
    const first = await callTool(tail, { log_path: log.path, lines: 2 });
    expect(first.structured).toMatchObject({ lines: ['b', 'c'], truncated: false });
    const { cursor } = first.structured;
    const quiet = await callTool(tail, { log_path: log.path, cursor });
    expect(quiet.structured).toMatchObject({ lines: [], cursor });
    appendFileSync(log.path, 'd\ne\n');
    const next = await callTool(tail, { log_path: log.path, cursor });
    expect(next.structured).toMatchObject({ lines: ['d', 'e'] });
  });

  it('waits for what is to come', async () => {
    await using log = await withLog('a\n');
    const { cursor } = (await callTool(tail, { log_path: log.path })).structured;
    const waiting = callTool(tail, { log_path: log.path, cursor, wait_ms: 20_000 });
    appendFileSync(log.path, 'b\n');
    expect((await waiting).structured).toMatchObject({ lines: ['b'] });
  });

  it.each(['replaced', 'cut'])('goes on when the file was %s', async (how) => {
    await using log = await withLog('a\nb\n');
    const { cursor } = (await callTool(tail, { log_path: log.path })).structured;
    if (how === 'replaced') {
      renameSync(log.path, `${log.path}.1`);
      writeFileSync(log.path, 'new\n');
    } else {
      truncateSync(log.path);
      appendFileSync(log.path, 'n\n');
    }
    const { structured } = await callTool(tail, { log_path: log.path, cursor });
    expect(structured).toMatchObject({ rotated: true, lines: [how === 'replaced' ? 'new' : 'n'] });
  });

  it('loses nothing of a flood: the cursor stands where the answer ends', async () => {
    await using log = await withLog('');
    let { cursor } = (await callTool(tail, { log_path: log.path })).structured;
    const flood = Array.from({ length: 20_000 }, (_, n) => `line ${n}`);
    appendFileSync(log.path, `${flood.join('\n')}\n`);
    const seen: unknown[] = [];
    for (let more = true; more; ) {
      const { structured } = await callTool(tail, { log_path: log.path, cursor });
      seen.push(...(structured['lines'] as string[]));
      cursor = structured['cursor'];
      more = structured['truncated'] === true;
    }
    expect(seen).toEqual(flood);
  });

  it('stops waiting when it is cancelled', async () => {
    await using log = await withLog('a\n');
    const { cursor } = (await callTool(tail, { log_path: log.path })).structured;
    const abort = new AbortController();
    const waiting = callTool(tail, { log_path: log.path, cursor, wait_ms: 50_000 }, { signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('asks journalctl about a unit, and says why when it may not', async () => {
    await using home = await createTempHome();
    const program = async (script: string) => {
      writeFileSync(home.join('journalctl'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      return tailLogTool({ ...options, journalctl: home.join('journalctl') });
    };
    const asking = await program('echo "$*"; echo "-- cursor: s=1"');
    const { structured } = await callTool(asking, { unit: 'ssh.service', lines: 7 });
    expect(structured).toMatchObject({ source: 'ssh.service', cursor: 's=1' });
    expect(structured['lines']).toEqual([expect.stringContaining('--unit=ssh.service --lines=7')]);
    const next = await callTool(asking, { unit: 'ssh.service', cursor: 's=1' });
    expect(next.structured['lines']).toEqual([expect.stringContaining('--after-cursor=s=1')]);
    const barred = await program(
      'echo "No journal files were opened due to insufficient permissions." >&2; exit 1',
    );
    await expect(callTool(barred, { unit: 'ssh' })).rejects.toMatchObject({ code: 'forbidden' });
    const none = tailLogTool({ ...options, journalctl: home.join('missing') });
    await expect(callTool(none, { unit: 'ssh' })).rejects.toMatchObject({ code: 'unsupported' });
    const access = { read: [home.path], write: [] };
    await expect(callTool(asking, { unit: 'ssh' }, { access })).rejects.toMatchObject({
      code: 'path_refused',
    });
    await expect(callTool(asking, { unit: '--vacuum-size=1' })).rejects.toMatchObject({
      code: 'bad_request',
    });
  });

  it('wants a file or a unit, not both', async () => {
    for (const args of [{}, { log_path: '/a', unit: 'b' }])
      await expect(callTool(tail, args)).rejects.toMatchObject({ code: 'bad_request' });
  });
});
