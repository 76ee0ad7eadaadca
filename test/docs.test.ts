import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERRORS } from '../protocol/errors.ts';
import { ROOT } from '../scripts/lib/root.ts';

const documents = globSync(
  ['*.md', 'docs/**/*.md', '{protocol,base,agent,cli,provision,cloud-init,infra,orchestrator}/**/*.md'],
  {
    cwd: ROOT,
    exclude: ['**/node_modules/**'],
  },
);
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** Our folders that hold sources: `word/` in backquotes is a path only if it starts with one of these. */
const FOLDERS =
  'protocol|base|agent|cli|provision|cloud-init|infra|orchestrator|scripts|test|bench|docs|bin|\\.ci';

/** Paths in backquotes that the text names, without patterns and placeholders. */
function namedPaths(text: string): string[] {
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].flatMap(([, span = '']) => span.split(/\s+/));
  const path = new RegExp(`^(${FOLDERS})/[\\w./-]*$`);
  return spans.filter((word) => path.test(word));
}

/** Targets of Markdown links into this repository, relative to the document. */
function linkedPaths(text: string): string[] {
  return [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
    .map(([, target = '']) => target)
    .filter((t) => !/^[a-z]+:/.test(t));
}

describe('the documents', () => {
  it.each(documents)('%s names only paths that exist', (document) => {
    const text = read(document);
    const named = [
      ...namedPaths(text),
      ...linkedPaths(text).map((target) => normalize(join(dirname(document), target))),
    ];
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('notices a path that does not exist', () => {
    expect(namedPaths('see `agent/nowhere.ts` and `npm test`')).toEqual(['agent/nowhere.ts']);
    expect(linkedPaths('[a](docs/a.md#b) [c](https://example.com/)')).toEqual(['docs/a.md']);
  });

  it('list the error codes of protocol/errors.ts with the same status, retry and sentence', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `(\w+)` \| (\d+) \| (yes|no) \| (.+?) \|$/gm)];
    const documented = rows.map(([, code, status, again, message]) => [
      code,
      Number(status),
      again === 'yes',
      message,
    ]);
    const declared = Object.entries(ERRORS).map(([code, { status, retryable, message }]) => [
      code,
      status,
      retryable,
      message,
    ]);
    expect(documented).toEqual(declared);
  });

  it('give a reason for every dependency', () => {
    const { devDependencies, optionalDependencies, dependencies } = JSON.parse(read('package.json'));
    const table = read('docs/decisions/0001-dependencies.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    const reasoned = table.flatMap((line) =>
      [...(line.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name),
    );
    expect(reasoned.sort()).toEqual(
      Object.keys({ ...devDependencies, ...optionalDependencies, ...dependencies }).sort(),
    );
  });
});
