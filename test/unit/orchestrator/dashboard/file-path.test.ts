import { expect, it } from 'vitest';
import {
  crumbsOf,
  fileLink,
  joinPath,
  nameOf,
  nameProblem,
  parentOf,
  typedPath,
} from '../../../../orchestrator/dashboard/model/file-path.ts';
import { placeOf } from '../../../../orchestrator/dashboard/model/route.ts';

it('goes up, down and along', () => {
  expect([joinPath('/', 'etc'), joinPath('/etc', 'ssh')]).toEqual(['/etc', '/etc/ssh']);
  expect([parentOf('/etc/ssh'), parentOf('/etc'), parentOf('/')]).toEqual(['/etc', '/', '/']);
  expect(nameOf('/etc/ssh/x')).toBe('x');
  expect(crumbsOf('/a/b').map(({ path }) => path)).toEqual(['/', '/a', '/a/b']);
});

it.each([
  ['/etc//ssh/', '/etc/ssh'],
  [' / ', '/'],
  ['etc', undefined],
  ['/etc/../root', undefined],
])('takes what was typed: %s', (text, path) => expect(typedPath(text)).toBe(path));

it('says what is wrong with a name', () => {
  expect(nameProblem('a b')).toBeUndefined();
  for (const name of ['', '.', '..', 'a/b', 'x'.repeat(256)]) expect(nameProblem(name)).toBeTypeOf('string');
});

it('makes links that lead back to the very path', () => {
  const path = '/tmp/a b?c&d=#é';
  const link = fileLink('agt-1', path);
  expect(placeOf(link, ['agents/:id/:tab'])?.query.get('file')).toBe(path);
});
