import type { AnalyzeLog } from '../../../protocol/log-tools.ts';

/** A model reads this; what is longer is in the structured answer. */
const MAX_TEXT = 7 * 1024;
const BARS = '▁▂▃▄▅▆▇█';

/** Counts as a line of bars; nothing is a space. Longer series are added up until they fit. */
export function sparkline(counts: readonly number[], width = 60): string {
  const factor = Math.ceil(counts.length / width);
  const sums: number[] = [];
  for (let at = 0; at < counts.length; at += factor)
    sums.push(counts.slice(at, at + factor).reduce((sum, count) => sum + count, 0));
  const highest = Math.max(0, ...sums);
  return sums
    .map((sum) => (sum === 0 ? ' ' : (BARS[Math.ceil((sum / highest) * BARS.length) - 1] ?? '')))
    .join('');
}

/** How the lines were chosen, in words. */
export function scopeOf(log: AnalyzeLog): string {
  const number = (count: number) => count.toLocaleString('en');
  const isFiltered = log.lines_analyzed !== log.lines_read;
  const read = log.whole
    ? `${isFiltered ? '' : 'all '}${number(log.lines_read)} lines${isFiltered ? ' read' : ''}`
    : `last ${number(log.lines_read)} lines`;
  const filtered = isFiltered ? `, ${number(log.lines_analyzed)} after the filters` : '';
  const limited =
    log.limited_by === undefined
      ? ''
      : log.limited_by === 'max_lines'
        ? ' (this VM analyzes no more: tools.log_analyzer.max_lines)'
        : ' (no more bytes are read at once)';
  return `${read}${limited}${filtered}`;
}

export const levelsText = (log: AnalyzeLog): string => {
  const some = Object.entries(log.levels)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`);
  const guessed = log.levels_guessed === 0 ? '' : ` (${log.levels_guessed} guessed from words)`;
  return `${some.join(', ') || 'none'}${guessed}`;
};

const times = (count: number): string => `${count}×`;

/** The answer in short, most telling first. */
export function textOf(log: AnalyzeLog): string {
  const template = new Map(log.patterns.map(({ id, template: text }) => [id, text]));
  for (const { pattern, text } of log.errors) if (!template.has(pattern)) template.set(pattern, text);
  const named = (id: string) => (template.has(id) ? `${id} ${template.get(id)}` : id);
  const assumed = [...(log.year_inferred ? ['year'] : []), ...(log.zone_inferred ? ['zone'] : [])];
  const range =
    log.first_time === undefined
      ? []
      : [
          `Time: ${log.first_time} to ${log.last_time}${assumed.length > 0 ? ` (${assumed.join(' and ')} assumed)` : ''}`,
        ];
  const histogram =
    log.histogram === undefined
      ? []
      : [`Lines per ${log.histogram.bucket_s} s: |${sparkline(log.histogram.lines)}|`];
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`${title}:`, ...lines];
  const masked = Object.entries(log.masked).map(([kind, count]) => `${count} ${kind}`);
  const parts = [
    `${log.log_path}: ${scopeOf(log)}, format ${log.format}`,
    ...range,
    `Levels: ${levelsText(log)}`,
    ...histogram,
    ...section(
      'Findings',
      log.findings.map(
        ({ text, patterns = [], at }) =>
          `- ${text}${at === undefined ? '' : `, at ${at}`}${patterns.length > 0 ? `: ${patterns.slice(0, 3).map(named).join(' | ')}` : ''}`,
      ),
    ),
    ...(log.changes?.length === 0 ? ['Changes: none beyond chance'] : []),
    ...section(
      'Changes',
      (log.changes ?? []).map(
        ({ change, level, before, now, pattern, template: text }) =>
          `- ${change} [${level}] ${before} → ${now}: ${pattern} ${text}`,
      ),
    ),
    ...section(
      'Errors',
      log.errors.flatMap(({ count, level, line, text, stack = [], pattern }) => [
        `- ${times(count)} [${level}] line ${line}, pattern ${pattern}: ${text}`,
        ...stack.slice(0, 6).map((frame) => `    ${frame.trim()}`),
      ]),
    ),
    ...section(
      'Patterns',
      log.patterns.flatMap(
        ({ id, count, share, level, template: text, at_lines: at, more_examples: more = [] }) => [
          `${count} (${(share * 100).toFixed(1)} %) [${level}] ${id} ${text} @${at[0] ?? ''}`,
          ...more.map((example) => `    ${example}`),
        ],
      ),
    ),
    ...(log.other_patterns === undefined
      ? []
      : [
          `and ${log.other_patterns.patterns} more patterns with ${log.other_patterns.count} events${log.next_cursor === undefined ? '' : `: cursor ${log.next_cursor}`}`,
        ]),
    ...section('Last lines', log.last_lines),
    ...(masked.length === 0 ? [] : [`[masked here: ${masked.join(', ')}]`]),
  ];
  return limited(parts);
}

function limited(lines: readonly string[]): string {
  let bytes = 0;
  const kept = lines.filter((line) => {
    bytes += Buffer.byteLength(line) + 1;
    return bytes <= MAX_TEXT;
  });
  return kept.length === lines.length
    ? kept.join('\n')
    : [...kept, '[more in the structured answer]'].join('\n');
}
