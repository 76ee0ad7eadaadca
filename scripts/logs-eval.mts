// `node scripts/logs-eval.mts DIR`: runs the log engine on every DIR/<system>/<system>_2k.log, each as whole raw lines and
// with the same configuration, and writes DIR/<system>/<system>_2k.pred.csv with LineId, ClusterId and Template.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLogEngine } from '../agent/logs/engine/engine.ts';
import type { LogEvent } from '../agent/logs/engine/types.ts';

const folder = process.argv[2];
if (folder === undefined || !existsSync(folder)) {
  process.stderr.write('usage: node scripts/logs-eval.mts DIR   (DIR/<system>/<system>_2k.log)\n');
  process.exit(2);
}

/** The scorer knows one kind of variable part. */
const bare = (template: string): string => template.replaceAll(/<(?:num|ip|path|uuid|hex|duration)>/g, '<*>');
const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
const iso = (ms: number | undefined): string => (ms === undefined ? '-' : new Date(ms).toISOString());

for (const system of readdirSync(folder).sort()) {
  const file = join(folder, system, `${system}_2k.log`);
  if (!existsSync(file)) continue;
  const lines = readFileSync(file, 'utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  const events: LogEvent[] = [];
  const engine = createLogEngine({ nowMs: Date.now(), onEvent: (event) => events.push(event) });
  for (const line of lines) engine.push(line);
  engine.end();

  const rows = ['LineId,ClusterId,Template'];
  const levels = new Map<string, number>();
  let first: number | undefined;
  let last: number | undefined;
  for (const event of events) {
    const { id, template } = engine.pattern(event.pattern);
    for (let i = 0; i < event.lines; i++) rows.push(`${event.line + i},${id},${quoted(bare(template))}`);
    levels.set(event.level, (levels.get(event.level) ?? 0) + 1);
    if (event.timeMs === undefined) continue;
    first = Math.min(first ?? event.timeMs, event.timeMs);
    last = Math.max(last ?? event.timeMs, event.timeMs);
  }
  writeFileSync(join(folder, system, `${system}_2k.pred.csv`), `${rows.join('\n')}\n`);
  const { name, fields, timeFormat } = engine.format();
  process.stdout.write(
    `${system.padEnd(12)} ${lines.length} lines, ${engine.patterns().length} patterns; ${name} [${fields.map(({ kind }) => kind).join(' ')}] ${timeFormat ?? ''}; ${iso(first)} to ${iso(last)}; ${[...levels].map(([level, count]) => `${level} ${count}`).join(', ')}\n`,
  );
}
