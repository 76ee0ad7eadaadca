import { describe, expect, it } from 'vitest';
import type { LogRange } from '../../../../orchestrator/dashboard/model/log-report.ts';
import type { AnalyzeLog } from '../../../../protocol/log-tools.ts';

interface LogReportProps {
  report: AnalyzeLog;
  onRange: (range: LogRange) => void;
  onPattern: (id: string) => void;
}

// By a name that the compiler does not follow: the types of the page are a browser's, and these are Node's.
const module: string = '../../../../orchestrator/dashboard/ui/log-report.ts';
const { LogReport } = (await import(module)) as { LogReport: (props: LogReportProps) => unknown };

interface Drawn {
  type: string;
  props: Record<string, unknown>;
  text: string;
}

/** Every element that is drawn, with its text. The view keeps no state, so its parts are called as functions. */
function draw(node: unknown, into: Drawn[] = []): { elements: Drawn[]; text: string } {
  if (Array.isArray(node)) return { elements: into, text: node.map((one) => draw(one, into).text).join('') };
  if (node === null || node === undefined || typeof node === 'boolean') return { elements: into, text: '' };
  if (typeof node !== 'object') return { elements: into, text: String(node) };
  const { type, props } = node as { type: unknown; props: Record<string, unknown> };
  if (typeof type === 'function') return draw((type as (given: object) => unknown)(props), into);
  const element: Drawn = { type: String(type), props, text: '' };
  into.push(element);
  element.text = draw(props['children'], into).text;
  return { elements: into, text: element.text };
}

const report: AnalyzeLog = {
  log_path: '/var/log/app.log',
  format: 'header',
  fields: ['time', 'level'],
  size: 1,
  lines_read: 100,
  lines_analyzed: 100,
  continuation_lines: 2,
  whole: true,
  line_numbers: 'file',
  levels: { fatal: 0, error: 1, warning: 0, info: 97, debug: 0, unknown: 0 },
  levels_guessed: 1,
  first_time: '2026-01-31T10:00:00.000Z',
  last_time: '2026-01-31T10:01:59.000Z',
  zone_inferred: true,
  histogram: { start: '2026-01-31T10:00:00.000Z', bucket_s: 60, lines: [40, 60], errors: [0, 3], untimed: 0 },
  findings: [
    { kind: 'rare_error', text: 'rare error: seen once', patterns: ['e1'], at: '2026-01-31T10:01:00.000Z' },
  ],
  errors: [
    {
      pattern: 'e1',
      count: 1,
      level: 'error',
      line: 7,
      text: 'it <b>broke</b>\u202e',
      stack: ['at a.b(C.java:1)'],
    },
  ],
  changes: [
    { change: 'gone', pattern: 'g1', level: 'info', template: 'backup of <num> done', before: 9, now: 0 },
  ],
  windows: { before_s: 3600, now_s: 60 },
  patterns: [
    {
      id: 'p1',
      count: 97,
      share: 0.97,
      level: 'info',
      template: 'served <num>',
      at_lines: [1],
      example: 'served 7',
      last_time: '2026-01-31T10:01:59.000Z',
    },
  ],
  other_patterns: { patterns: 1, count: 1 },
  masked: { JWT: 2 },
  last_lines: ['the end'],
};

function shown(more: Partial<LogReportProps> = {}) {
  const asked: unknown[] = [];
  const { elements, text } = draw(
    LogReport({ report, onRange: (range) => asked.push(range), onPattern: (id) => asked.push(id), ...more }),
  );
  const click = (label: string) => {
    const button = elements.find(
      ({ type, props, text: said }) =>
        type === 'button' && (props['aria-label'] === label || said.includes(label)),
    );
    if (button === undefined) throw new Error(`there is no button ${label}`);
    (button.props['onClick'] as () => void)();
  };
  return { elements, text, asked, click };
}

describe('the log view', () => {
  it('asks for the bucket of the histogram that is clicked on', () => {
    const { asked, click } = shown();
    click('2026-01-31 10:01:00, 1 min 00 s: 60 lines, 3 of errors');
    expect(asked).toEqual([{ since: '2026-01-31T10:01:00.000Z', until: '2026-01-31T10:01:59.999Z' }]);
  });

  it('asks for a pattern wherever one is named', () => {
    const { asked, click } = shown();
    click('served <num>');
    click('backup of <num> done');
    click('it <b>broke</b>');
    expect(asked).toEqual(['p1', 'g1', 'e1']);
  });

  it('says everything that the answer holds, as text', () => {
    const { text, elements } = shown();
    for (const part of [
      'all 100 lines',
      '(zone assumed)',
      '1 guessed from words',
      'rare error: seen once',
      'at a.b(C.java:1)',
      'Masked here: 2 JWT',
      'the end',
      'and 1 more pattern with 1 message',
    ])
      expect(text).toContain(part);
    expect(text).toContain('it <b>broke</b>‹U+202E›');
    expect(elements.some(({ props }) => 'dangerouslySetInnerHTML' in props)).toBe(false);
  });

  it('shows a log without times, levels or messages', () => {
    const { histogram: _, changes: __, first_time: ___, last_time: ____, ...rest } = report;
    const empty = {
      ...rest,
      findings: [],
      errors: [],
      patterns: [],
      masked: {},
      last_lines: [],
      lines_read: 0,
      lines_analyzed: 0,
    };
    expect(shown({ report: empty }).text).toContain('all 0 lines');
  });
});
