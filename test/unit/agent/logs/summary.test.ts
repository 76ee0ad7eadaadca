import { describe, expect, it } from 'vitest';
import { parseLine } from '../../../../agent/logs/parse-line.ts';
import { LogSummary } from '../../../../agent/logs/summary.ts';
import { templateOf } from '../../../../agent/logs/template.ts';

const NOW = Date.UTC(2026, 10, 23, 12);
const local = (...parts: [number, number, number, number, number, number]) => new Date(...parts).getTime();

describe('a line of a log', () => {
  it.each([
    [
      '{"level":50,"time":1760000000000,"msg":"it broke"}',
      { format: 'json', level: 'error', time: 1_760_000_000_000, message: 'it broke' },
    ],
    [
      '{"severity":"WARN","@timestamp":"2026-01-02T03:04:05Z","message":"slow"}',
      { format: 'json', level: 'warning', time: Date.UTC(2026, 0, 2, 3, 4, 5) },
    ],
    [
      'Nov 22 03:04:05 web sshd[42]: error: no key',
      {
        format: 'syslog',
        level: 'error',
        time: local(2026, 10, 22, 3, 4, 5),
        message: 'sshd: error: no key',
      },
    ],
    [
      'Dec 31 23:59:59 web cron[1]: (root) CMD (x)',
      { time: local(2025, 11, 31, 23, 59, 59), level: 'unknown' },
    ],
    [
      '2026-01-02T03:04:05.678+01:00 web systemd[1]: Started x.',
      { format: 'syslog', time: Date.UTC(2026, 0, 2, 2, 4, 5, 678), message: 'systemd: Started x.' },
    ],
    [
      '10.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /a?b=c HTTP/1.1" 503 12 "-" "curl"',
      {
        format: 'access',
        level: 'error',
        time: Date.UTC(2026, 0, 2, 3, 4, 5),
        message: 'GET /a?… HTTP/1.1 → 503',
      },
    ],
    ['2026-01-02 03:04:05,678 [INFO] app: up', { format: 'plain', level: 'info', message: '[INFO] app: up' }],
    [
      '2026-01-02 03:04:05 status installed libc6',
      { format: 'plain', level: 'unknown', message: 'status installed libc6' },
    ],
    ['Traceback (most recent call last):', { format: 'plain', level: 'error', time: undefined }],
    ['[core:warn] late', { level: 'warning' }],
    ['{"not json', { format: 'plain' }],
  ])('%s', (line, expected) => {
    expect(parseLine(line, NOW)).toMatchObject(expected);
  });
});

describe('the template of a message', () => {
  it('is the same for messages that differ in what varies', () => {
    const messages = [
      'GET "/a/b" from 10.0.0.1:80 took 12 ms, id 7f3e4c1a-0000-4000-8000-123456789abc, hash deadbeef01',
      'GET "/c" from 192.168.1.20:65000 took 1234 ms, id 00000000-1111-4222-8333-444444444444, hash 0123456789abcdef',
    ];
    expect(new Set(messages.map(templateOf)).size).toBe(1);
    expect(templateOf(messages[0] ?? '')).toMatch(/^GET <\*> from <\*>/);
  });

  it('differs for messages that say something else', () => {
    expect(templateOf('disk 1 full')).not.toBe(templateOf('disk 1 fine'));
  });
});

describe('the summary of a log', () => {
  it('counts levels and templates, keeps the latest errors and lines', () => {
    const summary = new LogSummary(NOW);
    for (let n = 0; n < 100; n++)
      summary.add(
        `2026-01-02T00:00:${String(n % 60).padStart(2, '0')}Z ${n % 10 === 0 ? 'ERROR failed' : 'INFO did'} ${n}`,
      );
    const result = summary.result();
    expect(result).toMatchObject({
      format: 'plain',
      lines_analyzed: 100,
      levels: { error: 10, info: 90, unknown: 0 },
      first_time: '2026-01-02T00:00:00.000Z',
      last_time: '2026-01-02T00:00:59.000Z',
      templates: [
        { count: 90, level: 'info', template: 'INFO did <*>' },
        { count: 10, level: 'error', template: 'ERROR failed <*>' },
      ],
    });
    expect(result.errors.at(-1)).toMatchObject({ line: 91 });
    expect(result.last_lines).toHaveLength(10);
  });

  it('stays small when no two messages are alike', () => {
    const summary = new LogSummary(NOW);
    const letters = (n: number) => n.toString(2).replaceAll('0', 'a').replaceAll('1', 'b');
    for (let n = 0; n < 20_000; n++) summary.add(`${letters(n)} ${'x'.repeat(1000)}`);
    const result = summary.result();
    expect(result.templates).toHaveLength(15);
    expect(result.other_templates).toBe(20_000 - 15);
    expect(JSON.stringify(result).length).toBeLessThan(24_576);
  });
});
