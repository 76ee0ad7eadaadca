// The log engine of the sources over a file, or over `--generate N` lines: prints {lines, patterns, cpuMs, peakRss} as JSON.
import { closeSync, openSync, readSync } from 'node:fs';
import { createLogEngine } from '../../agent/logs/engine/engine.ts';
import { blockLog } from '../lib/block-log.ts';

const CHUNK = 1 << 20;
const [first = '', second = ''] = process.argv.slice(2);
let lines = 0;
const engine = createLogEngine({
  nowMs: Date.now(),
  onEvent(event) {
    lines += event.lines;
  },
});
const started = process.cpuUsage();
if (first === '--generate') for (const line of blockLog(Number(second))) engine.push(line);
else readFile(first);
engine.end();
const { length } = engine.patterns();
const { user, system } = process.cpuUsage(started);
process.stdout.write(
  JSON.stringify({
    lines,
    patterns: length,
    cpuMs: (user + system) / 1000,
    peakRss: process.resourceUsage().maxRSS * 1024,
  }),
);

function readFile(path: string): void {
  const file = openSync(path, 'r');
  const chunk = Buffer.alloc(CHUNK);
  let rest = '';
  for (;;) {
    const size = readSync(file, chunk, 0, CHUNK, null);
    if (size === 0) break;
    const parts = (rest + chunk.toString('latin1', 0, size)).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) engine.push(line);
  }
  if (rest !== '') engine.push(rest);
  closeSync(file);
}
