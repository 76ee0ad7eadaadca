/** Endless lines for the log engine: noise, lines of real shape, and those with a few characters changed. */
import { createLogEngine } from '../../agent/logs/engine/engine.ts';
import { randomNumbers } from '../unit/agent/logs/engine/read-log.ts';

const SEEDS = [
  '2024-03-05T01:00:07.123Z INFO [main] com.acme.Cache: stored 12 entries (3.5 KB) in 7 ms',
  'Mar  5 01:00:07 web-1 sshd[123]: Failed password for root from 10.0.0.1 port 22 ssh2',
  '<34>1 2003-10-11T22:14:15.003Z host app 12 ID [ex@1 a="b"] message',
  '10.0.0.1 - - [05/Mar/2024:01:00:07 +0200] "GET /a/b?c=d HTTP/1.1" 200 7 "-" "Agent"',
  '{"level":30,"time":1709600407123,"msg":"request done","err":{"stack":"a\\nb"}}',
  'time="2024-03-05T01:00:07Z" level=info msg="pulled \\"x\\"" size=1',
  '2024-03-05,Error,web-1,"disk is full, clean up"',
  'E0305 01:00:07.123456 1 server.go:1] failed: {a: [1, 2, 3], b: "c"}',
  '\tat a.B.c(B.java:1)',
  'Traceback (most recent call last):',
  '__REALTIME_TIMESTAMP=1709600407123000',
  '- 1709600407 2024.03.05 r1-n2 2024-03-04-17.00.07.675872 r1-n2 RAS KERNEL FATAL error (1) iar 0x1 (2) iar 0x2',
  'a '.repeat(300),
  '((((((((((([[[[[[[[[[{{{{{{{{<<<<<<<<<"""""""""',
  `${'1.'.repeat(200)}${':'.repeat(200)}${'/'.repeat(200)}`,
  `${'a=1 '.repeat(200)}`,
  `${'(1) x, '.repeat(200)}`,
  `key="${'\\'.repeat(500)}`,
  '',
];
const ALPHABET = ' \t\r\0abcXYZ019.,:;=()[]{}<>"\'|/\\-_+*#%&?@$~!éß漢\u2028\ud800';

/** The next line by chance. */
export function* fuzzLines(seed: number): Generator<string> {
  const random = randomNumbers(seed);
  const letter = () => ALPHABET[random(ALPHABET.length)] as string;
  const noise = (length: number) => Array.from({ length }, letter).join('');
  for (;;) {
    const base = SEEDS[random(SEEDS.length)] as string;
    const kind = random(10);
    if (kind === 0) yield noise(random(200));
    else if (kind === 1) yield base;
    else if (kind === 2) yield `${base.slice(0, random(base.length + 1))}${SEEDS[random(SEEDS.length)]}`;
    else if (kind === 3) yield base.replaceAll(/\d+/g, () => String(random(1_000_000)));
    else if (kind === 4) yield base.replaceAll(/[a-z]{3,}/g, () => noise(4));
    else {
      let line = base;
      for (let changes = random(5) + 1; changes > 0; changes--) {
        const at = random(line.length + 1);
        line = `${line.slice(0, at)}${noise(random(4))}${line.slice(at + random(3))}`;
      }
      yield line;
    }
  }
}

export interface FuzzResult {
  lines: number;
  patterns: number;
  /** Lines that took longest, with how long (ms), of those over `slowMs`. */
  slow: { line: string; ms: number }[];
}

/** A few logs of equal length, each read by an engine of its own. Throws where counts do not add up. */
export function fuzzLogEngine(options: {
  lines: number;
  seed: number;
  logs: number;
  slowMs: number;
  now: () => number;
}): FuzzResult {
  const { lines, seed, logs, slowMs, now } = options;
  const result: FuzzResult = { lines: 0, patterns: 0, slow: [] };
  for (let log = 0; log < logs; log++) {
    const source = fuzzLines(seed + log);
    let sent = 0;
    let events = 0;
    let next = 1;
    const engine = createLogEngine({
      nowMs: Date.UTC(2026, 10, 27),
      onEvent(event) {
        if (event.line !== next) throw new Error(`seed ${seed + log}: line ${event.line} came for ${next}`);
        next += event.lines;
        sent += event.lines;
        events++;
      },
    });
    const count = Math.ceil(lines / logs);
    for (let i = 0; i < count; i++) {
      const line = source.next().value as string;
      const started = now();
      engine.push(line);
      const ms = now() - started;
      if (ms > slowMs) result.slow.push({ line, ms });
    }
    engine.end();
    const patterns = engine.patterns();
    const counted = patterns.reduce((sum, pattern) => sum + pattern.count, 0);
    if (sent !== count) throw new Error(`seed ${seed + log}: ${count} lines pushed, ${sent} came out`);
    if (counted !== events) throw new Error(`seed ${seed + log}: ${events} events, ${counted} in patterns`);
    result.lines += count;
    result.patterns += patterns.length;
  }
  return result;
}
