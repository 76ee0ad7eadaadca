import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../base/dsse.ts';
import { isInTree, merkleTree } from '../../../proof/merkle.ts';
import { CompactRange, inclusionProof, leafHash, type SubtreeHash } from '../../../protocol/merkle.ts';

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

  it('is the tree of the audit log: the same roots and the same paths', async () => {
    const hex = (hash: Uint8Array) => Buffer.from(hash).toString('hex');
    for (const count of [1, 2, 3, 6, 7, 21]) {
      const all = leaves(count);
      const hashes = all.map((leaf) => leafHash(sha256, Buffer.from(leaf)));
      const subtree: SubtreeHash = async (start, size) => {
        const range = new CompactRange(sha256);
        for (const hash of hashes.slice(start, start + size)) range.append(hash);
        return range.root();
      };
      const { root, pathOf } = merkleTree(all);
      const log = new CompactRange(sha256);
      for (const hash of hashes) log.append(hash);
      expect(root).toBe(hex(log.root()));
      for (const index of all.keys())
        expect(pathOf(index)).toEqual((await inclusionProof(sha256, subtree, index, count)).map(hex));
    }
  });

  it('takes nothing for a hash that is none', () => {
    const { root, pathOf } = merkleTree(leaves(3));
    const of = { root, count: 3, leaf: 'leaf 0', index: 0, path: pathOf(0) };
    expect(isInTree(of)).toBe(true);
    expect(isInTree({ ...of, path: pathOf(0).map((hash) => `${hash}00`) })).toBe(false);
    expect(isInTree({ ...of, path: pathOf(0).map((hash) => hash.toUpperCase()) })).toBe(false);
    expect(isInTree({ ...of, root: `${root}zz` })).toBe(false);
    expect(isInTree({ ...of, index: 0.5 })).toBe(false);
  });
});
