import { describe, expect, it } from 'vitest';
import { isInTree, merkleTree } from '../../../proof/merkle.ts';

const leaves = (count: number) => Array.from({ length: count }, (_, at) => `leaf ${at}`);

describe('the tree of targets', () => {
  it('has the roots of RFC 6962', () => {
    // Vectors of the RFC's reference implementation: the leaves '' and 0x00.
    expect(merkleTree(['']).root).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
    expect(merkleTree(['', '\0']).root).toBe(
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    );
  });

  it('proves each leaf at its place, and no other', () => {
    for (const count of [1, 2, 3, 5, 8, 13, 100]) {
      const all = leaves(count);
      const { root, pathOf } = merkleTree(all);
      for (const [index, leaf] of all.entries()) {
        const path = pathOf(index);
        expect(isInTree({ root, count, leaf, index, path })).toBe(true);
        expect(isInTree({ root, count, leaf: 'leaf x', index, path })).toBe(false);
        expect(isInTree({ root, count, leaf, index: index + 1, path })).toBe(false);
        expect(isInTree({ root, count, leaf, index, path: [...path, root] })).toBe(false);
        if (path.length > 0)
          expect(isInTree({ root, count, leaf, index, path: path.slice(0, -1) })).toBe(false);
      }
    }
  });
});
