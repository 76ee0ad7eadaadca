// `npm run fuzz:logs -- [LINES] [SEED]`: the log engine on a million lines of noise and mutated logs. Fails where one
// throws, where counts do not add up, or where a line by itself takes over a millisecond.
import { createLogEngine } from '../agent/logs/engine/engine.ts';
import { fuzzLogEngine } from '../test/fuzz/log-lines.ts';

const LOGS = 20;
const LIMIT_MS = 1;
const AGAIN = 5;

const lines = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? 1);
if (!Number.isInteger(lines) || lines < 1 || !Number.isInteger(seed)) {
  process.stderr.write('usage: npm run fuzz:logs -- [LINES] [SEED]\n');
  process.exit(2);
}

const started = performance.now();
const { slow, ...counts } = fuzzLogEngine({
  lines,
  seed,
  logs: LOGS,
  slowMs: LIMIT_MS,
  now: () => performance.now(),
});
const seconds = (performance.now() - started) / 1000;

/** The collector and the joining of forms fall on lines by chance: only one that is slow again and again is slow. */
function alone(line: string): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < AGAIN; i++) {
    const engine = createLogEngine({ nowMs: 0, sampleLines: 1, onEvent: () => {} });
    engine.push('x');
    const at = performance.now();
    engine.push(line);
    engine.flush();
    best = Math.min(best, performance.now() - at);
  }
  return best;
}

const culprits = slow.map(({ line }) => ({ line, ms: alone(line) })).filter(({ ms }) => ms > LIMIT_MS);
process.stdout.write(
  `${counts.lines} lines, ${counts.patterns} patterns, ${seconds.toFixed(1)} s, ${Math.round(counts.lines / seconds)} lines/s; over ${LIMIT_MS} ms: ${slow.length}, again when alone: ${culprits.length}\n`,
);
for (const { line, ms } of culprits.slice(0, 10))
  process.stdout.write(`${ms.toFixed(1)} ms ${JSON.stringify(line.slice(0, 200))}\n`);
process.exitCode = culprits.length === 0 ? 0 : 1;
