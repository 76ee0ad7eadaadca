/**
 * Regular expressions of the product against texts that were made to hold them up. recheck (an automaton, and a search
 * where the language has more than one) says of each how its work grows; test/expressions.txt keeps its answers, since
 * some take it long. `-u` asks it about what is new, `npm test -- --full house` about all.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkSync } from 'recheck';
import { beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../scripts/lib/root.ts';
import { FULL_SIZE } from '../scripts/lib/suites.ts';
import { expressionsMadeBy, readExpressions } from '../scripts/rules/expressions.ts';

const ANSWERS = join(import.meta.dirname, 'expressions.txt');

/** Files that make expressions of texts, and how those are judged. */
const MAKERS: Record<string, string | (() => unknown)> = {
  'agent/channel/load-sample.ts': 'names of fields in /proc/meminfo',
  'agent/files/pattern.ts':
    'patterns of callers: given up after 250 ms (test/unit/agent/files/pattern.test.ts)',
  'agent/tools/bounded-pattern.ts':
    'patterns of callers: given up after 270 ms (test/unit/agent/tools/background.test.ts)',
  'agent/identity/host-facts.ts': 'names of fields in /etc/os-release',
  'agent/logs/engine/level.ts': () => import('../agent/logs/engine/level.ts'),
  'agent/logs/secret-rules.ts': () => import('../agent/logs/secret-rules.ts'),
  'agent/logs/sources/rotated.ts': async () =>
    (await import('../agent/logs/sources/rotated.ts')).rotatedNames('app.log', ['app.log']),
  'agent/proc/logins.ts': 'names of fields that logind writes',
  'agent/proc/pressure.ts': async () =>
    (await import('../agent/proc/pressure.ts')).parsePressure('some avg10=1'),
  'cli/bundle/processes.ts': 'names of fields in /proc/<pid>/status',
  'cli/bundle/redact.ts': () => import('../cli/bundle/redact.ts'),
  'orchestrator/http/server.ts': 'paths of routes, each part without a slash',
  'orchestrator/jobs/group-text.ts': async () =>
    (await import('../orchestrator/jobs/group-text.ts')).normalizeOutput('', {
      vmId: 'vm-web-1-a1b2c3',
      hostname: 'web-1',
    }),
  'protocol/ids.ts': () => import('../protocol/ids.ts'),
  'provision/removal/processes.ts': 'names of fields in /proc/<pid>/status',
};

const keyOf = ({ source, flags }: { source: string; flags: string }) => `/${source}/${flags}`;

interface Excuse {
  /** The longest text that reaches it. */
  most: number;
  why: string;
  /** A text that costs it much, by its length. */
  attack: (length: number) => string;
}
const full =
  (piece: string, end = '') =>
  (length: number) =>
    piece.repeat(Math.ceil(length / piece.length)).slice(0, length - end.length) + end;
const BOUNDED = 'each of its repetitions has an end, so that it is linear in long texts';

/** Expressions whose work grows faster than a text does, by how much of one they see. */
const EXCUSED: Record<string, Excuse> = {
  [keyOf(/-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----[\s\S]+-----END (?:ENCRYPTED )?PRIVATE KEY-----/)]: {
    most: 20_000,
    why: 'the file of a key, which who administers the orchestrator names',
    attack: full('-----END PRIVATE KEY----------BEGIN PRIVATE KEY-----x'),
  },
  [keyOf(/(?:trace|span|correlation|request|id)["']?\s*[:=#]?\s*["']?$/i)]: {
    most: 24,
    why: 'the characters before a number of a line',
    attack: full('\t', 'x'),
  },
  [keyOf(
    /\b[\w-]*(?:errors?|exceptions?|fail(?:ed|ures?)?)\.(?:[cm]?[jt]sx?|py|go|rs|rb|java|kt|php|c|cc|cpp|h|log|html?|css|json|txt)\b/,
  )]: { most: 1000, why: 'the beginning of a line of a log', attack: full('t-') },
  [keyOf(
    /\b(?!git@)[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,6}(?!(?:service|socket|timer|target|mount|automount|slice|scope|path|device|swap)\b)[A-Za-z]{2,24}\b/g,
  )]: { most: 100_000, why: BOUNDED, attack: full('u.e.l@g.n.n.') },
  [keyOf(/(\b(?:set-)?cookie\\?["']?\s*:\s*\\?["']?)(?=[^\s=;"']{1,256}=)[^"'\r\n\\]+/gi)]: {
    most: 100_000,
    why: BOUNDED,
    attack: full('COOKIE:\0'),
  },
  [keyOf(/(\bcurl\b[^|;\n]{0,500}?\s(?:-u|--user)[= ]?\s*["']?[^\s:"']+:)[^\s"']+/g)]: {
    most: 100_000,
    why: BOUNDED,
    attack: full('curl -u='),
  },
  [keyOf(/\b([a-z][a-z0-9+.-]{0,62}:\/\/)[^\s/"'<>]+@/gi)]: {
    most: 100_000,
    why: BOUNDED,
    attack: full('+A'),
  },
  // What recheck cannot read: classes of the flag v.
  [keyOf(/[\p{Cc}--[\n\t]]/gv)]: { most: 100_000, why: 'one character', attack: full('\n') },
};

const known = new Map(
  readFileSync(ANSWERS, { encoding: 'utf8', flag: 'a+' })
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => [line.slice(line.indexOf('/')), line.slice(0, line.indexOf('/')).trim()]),
);

function answerTo(key: string): string {
  const kept = known.get(key);
  if (kept !== undefined && process.env[FULL_SIZE] !== '1') return kept;
  const end = key.lastIndexOf('/');
  const found = checkSync(key.slice(1, end), key.slice(end + 1), {
    timeout: 30_000,
    attackTimeout: 5000,
    incubationTimeout: 5000,
  });
  if (found.status === 'safe') return 'linear';
  return found.status === 'vulnerable'
    ? found.complexity.type === 'polynomial'
      ? `degree-${found.complexity.degree}`
      : 'exponential'
    : 'unknown';
}

/** All of the product's, each once. */
let expressions: Map<string, string>;
beforeAll(async () => {
  const { literals } = readExpressions(ROOT);
  const made: RegExp[] = [];
  for (const maker of Object.values(MAKERS))
    if (typeof maker === 'function') made.push(...(await expressionsMadeBy(maker)));
  expressions = new Map(
    [...literals, ...made]
      .map(keyOf)
      .sort()
      .map((key) => [key, answerTo(key)]),
  );
}, 600_000);

describe('[attack-12] regular expressions', () => {
  it('are made of texts in these files alone', () => {
    expect(readExpressions(ROOT).makers).toEqual(Object.keys(MAKERS).sort());
  });

  it('are judged, each of them', async () => {
    expect(expressions.size).toBeGreaterThan(300);
    const lines = [...expressions].map(([key, answer]) => `${answer} ${key}\n`);
    await expect(lines.join('')).toMatchFileSnapshot(ANSWERS);
  });

  it('take work that grows as their text does, but for those whose text is short', () => {
    const slow = [...expressions].filter(([, answer]) => answer !== 'linear').map(([key]) => key);
    expect(slow).toEqual(Object.keys(EXCUSED).sort());
  });

  it.each(Object.entries(EXCUSED))('%s is quick on the longest that it sees', (key, { most, attack }) => {
    const end = key.lastIndexOf('/');
    const expression = new RegExp(key.slice(1, end), key.slice(end + 1));
    let best = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 3; tries++) {
      const began = process.cpuUsage();
      attack(most).replace(expression, '');
      const { user, system } = process.cpuUsage(began);
      best = Math.min(best, (user + system) / 1000);
    }
    expect(best).toBeLessThan(250);
  });

  it('that are bad are told from those that are good', () => {
    expect(checkSync('^(a+)+$', '')).toMatchObject({ complexity: { type: 'exponential' } });
    expect(checkSync('\\s*\\n\\s*', 'g').status).toBe('vulnerable');
    expect(checkSync('(?<!\\s)\\s*\\n\\s*', 'g').status).toBe('safe');
  });
});
