import { readdir } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { OutputSpool, spooledSize } from '../../../../agent/executor/output-spool.ts';
import { createTempHome } from '../../../fakes/temp-home.ts';

const ID = 'cmd-01arz3ndektsv4rrffq69g5fav';

describe('the output spool', () => {
  it('keeps what lies below the limit of both streams together, and says that it was reached', async () => {
    await using home = await createTempHome();
    const spool = new OutputSpool({ folder: home.path, commandId: ID, limit: 10 });
    expect(spool.write('stdout', Buffer.from('123456'))).toBe('ok');
    expect(spool.write('stderr', Buffer.from('abcdef'))).toBe('limit');
    expect([spool.size('stdout'), spool.size('stderr')]).toEqual([6, 4]);
    expect(spooledSize(home.path, ID, 'stderr')).toBe(4);
  });

  it('summarizes head and tail and counts what lies between', async () => {
    await using home = await createTempHome();
    const spool = new OutputSpool({ folder: home.path, commandId: ID });
    const bytes = Buffer.from(Array.from({ length: 40_000 }, (_, i) => i % 251));
    spool.write('stdout', bytes);
    const { size, head, tail, omitted } = spool.summary('stdout');
    expect(size).toBe(40_000);
    expect(Buffer.from(head, 'base64').equals(bytes.subarray(0, 16_384))).toBe(true);
    expect(Buffer.from(tail, 'base64').equals(bytes.subarray(-16_384))).toBe(true);
    expect(omitted).toBe(40_000 - 32_768);
    expect(spool.summary('stderr')).toEqual({ size: 0, head: '', tail: '', omitted: 0 });
  });

  it('makes no file for a stream that stays empty, and leaves none behind', async () => {
    await using home = await createTempHome();
    const spool = new OutputSpool({ folder: home.path, commandId: ID });
    spool.write('stderr', Buffer.from('x'));
    expect(await readdir(home.path)).toEqual([`${ID}.stderr`]);
    spool.remove();
    expect(await readdir(home.path)).toEqual([]);
  });

  it('reports the system’s error when it cannot write', async () => {
    await using home = await createTempHome();
    const spool = new OutputSpool({ folder: home.join('missing'), commandId: ID });
    expect(spool.write('stdout', Buffer.from('x'))).toMatchObject({ failed: { code: 'ENOENT' } });
  });
});
