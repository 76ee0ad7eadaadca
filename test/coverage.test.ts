import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { ROOT } from '../scripts/lib/root.ts';
import { GUARANTEES } from './guarantees.ts';

const CITATION = /\[([a-z]+-\d+)\]/g;

/** Ids cited in test files, each with the files that cite it. */
function citations(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const file of globSync('test/**/*.test.ts', { cwd: ROOT })) {
    for (const [, id = ''] of readFileSync(`${ROOT}/${file}`, 'utf8').matchAll(CITATION)) {
      found.set(id, [...(found.get(id) ?? []), file]);
    }
  }
  return found;
}

it('proves every guarantee in a test that cites it', () => {
  const cited = citations();
  expect(GUARANTEES.filter(({ id }) => !cited.has(id)).map(({ id, text }) => `${id}: ${text}`)).toEqual([]);
});

it('cites no guarantee that does not exist', () => {
  const known = new Set(GUARANTEES.map(({ id }) => id));
  expect([...citations().keys()].filter((id) => !known.has(id))).toEqual([]);
});

it('gives each guarantee an id of its own', () => {
  expect(new Set(GUARANTEES.map(({ id }) => id)).size).toBe(GUARANTEES.length);
});
