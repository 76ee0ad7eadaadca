import { describe, expect, it } from 'vitest';
import { createLineCleaner } from '../../../../../agent/logs/engine/clean-line.ts';
import { isoOf, readLog } from './read-log.ts';

const BODY = ['MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj', 'MzEfYyjiWA4R4', 'ab=='];

describe('a private key over several lines', () => {
  it.each([
    ['lines of their own', ''],
    ['lines with a header', '2026-11-27 10:00:00 INFO '],
    ['lines that are indented', '    '],
  ])('is hidden in %s', (_, before) => {
    const clean = createLineCleaner();
    const begin = `2026-11-27 10:00:00 INFO -----BEGIN RSA PRIVATE KEY-----`;
    const out = [begin, ...BODY.map((line) => before + line), `${before}-----END RSA PRIVATE KEY-----`].map(
      clean,
    );
    expect(out.slice(1, 4)).toEqual(BODY.map(() => `${before}[masked: private key]`));
    expect(clean(`${before}MzEfYyjiWA4R4`)).toBe(`${before}MzEfYyjiWA4R4`);
  });

  it('shows neither in texts and continuations nor in templates', () => {
    const lines = ['a begins', '-----BEGIN PRIVATE KEY-----', ...BODY, '-----END PRIVATE KEY-----', 'b ends'];
    const headed = lines.map((line) => `2026-11-27 10:00:00 ERROR ${line}`);
    const mixed = [
      '2026-11-27 10:00:00 ERROR a',
      '2026-11-27 10:00:00 ERROR key -----BEGIN PRIVATE KEY-----',
      ...BODY,
    ];
    for (const log of [lines, headed, mixed]) {
      const { events, engine } = readLog(log);
      const all = JSON.stringify([events, engine.patterns()]);
      for (const secret of BODY) expect(all).not.toContain(secret);
    }
  });

  it('that is never ended hides no other lines', () => {
    const clean = createLineCleaner();
    const lines = ['-----BEGIN PRIVATE KEY-----', 'and so on', 'more follows', 'another one', 'word'];
    expect(lines.map(clean)).toEqual(lines);
  });
});

describe('colours', () => {
  it.each([
    ['\u001b[90m2026-11-27T10:00:00Z\u001b[0m \u001b[32mINF\u001b[0m \u001b[1mserver up\u001b[0m', 'info'],
    ['\u001b[90m2026-11-27T10:00:00Z\u001b[0m \u001b[1m\u001b[31mERR\u001b[0m\u001b[0m broken', 'error'],
    ['\u001b[90m2026-11-27T10:00:00Z\u001b[0m \u001b[31mFTL\u001b[0m broken', 'fatal'],
    [
      '\u001b[2m2026-11-27T10:00:00Z\u001b[0m \u001b[33m WARN\u001b[0m \u001b[2mapp::db\u001b[0m\u001b[2m:\u001b[0m slow',
      'warning',
    ],
    ['[2026-11-27T10:00:00Z] \u001b[32mDBG\u001b[39m (12): \u001b[36mhello\u001b[39m', 'debug'],
  ])('do not hide time and level: %j', (line, level) => {
    const { events } = readLog([line, line, line]);
    expect(isoOf(events[0])).toBe('2026-11-27T10:00:00.000Z');
    expect(events[0]).toMatchObject({ level, levelSource: 'field' });
    expect(events[0]?.text).not.toContain('\u001b');
  });
});
