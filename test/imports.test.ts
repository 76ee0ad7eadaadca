import { describe, expect, it } from 'vitest';
import { ROOT } from '../scripts/lib/root.ts';
import { findViolations } from '../scripts/rules/all.ts';
import { findLonersInBase } from '../scripts/rules/shared.ts';
import { parseSource, readSources } from '../scripts/rules/sources.ts';

/** What the rules say about a tree made of these files. */
function violationsOf(files: Record<string, string>): string[] {
  return findViolations(Object.entries(files).map(([path, text]) => parseSource(path, text)));
}

describe('the map of imports', () => {
  it('holds for the sources as they are', () => {
    const sources = readSources(ROOT);
    expect(sources.length).toBeGreaterThan(10);
    expect(findViolations(sources)).toEqual([]);
  });

  it.each([
    ['protocol/a.ts', "import { b } from '../base/b.ts';", 'nothing of ours'],
    ['base/a.ts', "import { match } from '../protocol/selector.ts';", 'protocol/errors.ts'],
    ['agent/main.ts', "export { x } from '../orchestrator/hub/hub.ts';", 'agent/ may import'],
    ['agent/main.ts', "const x = await import('../orchestrator/main.ts');", 'agent/ may import'],
    ['agent/main.ts', "let x: import('../cli/main.ts').X;", 'agent/ may import'],
    ['provision/plan.ts', "import { x } from '../agent/commands/runner.ts';", 'agent/identity'],
    ['orchestrator/main.ts', "import type { X } from '../agent/agent.ts';", 'orchestrator/ may import'],
    ['orchestrator/dashboard/app.ts', "import { x } from '../../base/clock.ts';", 'runs in a browser'],
    ['infra/components/a.ts', "import { x } from '../../orchestrator/main.ts';", 'infra/ may import'],
    ['scripts/demo.mts', "import { x } from '../test/fakes/clock.ts';", 'test/ and bench/ alone'],
    ['agent/policy/a.ts', "import { x } from '../commands/runner.ts';", 'agent/policy stands after'],
    ['agent/channel/a.ts', "import { x } from '../commands/journal.ts';", 'identity and health'],
    ['agent/audit/a.ts', "import { x } from '../identity/vm-id.ts';", 'stands after or beside'],
    ['orchestrator/hub/hub.ts', "import { x } from '../jobs/submit.ts';", 'orchestrator/hub stands after'],
    ['orchestrator/cli.ts', "import { x } from './store/store.ts';", 'no other part'],
    ['orchestrator/novel/a.ts', "import { x } from '../store/store.ts';", 'no place in the order'],
    ['novel/a.ts', '', 'not on the map'],
  ])('refuses in %s: %s', (path, text, reason) => {
    expect(violationsOf({ [path]: text })).toEqual([expect.stringContaining(reason)]);
  });

  it.each([
    ['base/a.ts', "import { AppError } from '../protocol/errors.ts';"],
    ['provision/setup.mts', "import { x } from '../agent/identity/csr.ts';"],
    ['agent/agent.ts', "import { x } from './channel/connection.ts';"],
    ['orchestrator/http/routes/jobs.ts', "import { x } from '../../jobs/submit.ts';"],
    ['bench/exec.ts', "import { x } from '../test/fakes/clock.ts';"],
    ['agent/a.ts', '// Date.now() and setTimeout(f) in a comment; rejectUnauthorized: false too'],
    ['base/clock.ts', 'export const now = () => Date.now();'],
    ['base/tls-server.ts', 'listen({ rejectUnauthorized: false });'],
    ['agent/a.ts', 'export const at = (ms: number) => new Date(ms);'],
  ])('allows in %s: %s', (path, text) => {
    expect(violationsOf({ [path]: text })).toEqual([]);
  });

  it('names every file of a cycle, once', () => {
    const tree = {
      'base/a.ts': "import { b } from './b.ts';",
      'base/b.ts': "import type { C } from './c.ts';",
      'base/c.ts': "import { a } from './a.ts';",
    };
    expect(violationsOf(tree)).toEqual(['import cycle: base/a.ts → base/b.ts → base/c.ts → base/a.ts']);
  });

  it.each([
    ['agent/a.ts', 'const t = Date.now();'],
    ['agent/a.ts', 'globalThis.setTimeout(f, 1);'],
    ['orchestrator/a.ts', 'setInterval(f, 1);'],
    ['cli/a.ts', 'const r = Math.random();'],
    ['provision/a.ts', 'const d = new Date();'],
    ['agent/a.ts', "import { setTimeout } from 'node:timers/promises';"],
    ['agent/http/server.ts', 'connect({ rejectUnauthorized: false });'],
    ['test/unit/a.test.ts', `vi.${'mock'}('./x.ts');`],
    ['agent/a.ts', '\n'.repeat(401)],
  ])('refuses in %s: %s', (path, text) => {
    expect(violationsOf({ [path]: text })).toHaveLength(1);
  });
});

describe('base/', () => {
  const callers = (...paths: string[]) => paths.map((path) => parseSource(path, "import '../base/a.ts';"));

  it('is small, and each of its files serves two folders', () => {
    expect(findLonersInBase(readSources(ROOT))).toEqual([]);
  });

  it('does not keep what one folder alone needs', () => {
    const base = parseSource('base/a.ts', '');
    expect(findLonersInBase([base, ...callers('agent/x.ts', 'agent/y.ts', 'test/z.ts')])).toHaveLength(1);
    expect(findLonersInBase([base, ...callers('agent/x.ts', 'cli/y.ts')])).toEqual([]);
  });

  it('does not grow into the place where everything lands', () => {
    const names = Array.from({ length: 13 }, (_, i) => `base/f${i}.ts`);
    const users = ['agent', 'cli'].map((folder) =>
      parseSource(`${folder}/x.ts`, names.map((name) => `import '../${name}';`).join('\n')),
    );
    expect(findLonersInBase([...names.map((name) => parseSource(name, '')), ...users])).toHaveLength(1);
  });
});
