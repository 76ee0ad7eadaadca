import { createHash } from 'node:crypto';
import { leafHash, nodeHash, type Sha256, verifyInclusion } from '../protocol/merkle.ts';

// A whole tree in memory, of leaves that are text and hashes that are hex: the targets of an approval. What a tree is
// stands in `protocol/merkle.ts`.

const sha256: Sha256 = (bytes) => createHash('sha256').update(bytes).digest();
const hashOf = (leaf: string): Uint8Array => leafHash(sha256, Buffer.from(leaf));
const hex = (hash: Uint8Array): string => Buffer.from(hash).toString('hex');

/** Every level of the tree, from the leaves to the root. An odd last node moves up as it is. */
function levels(leaves: readonly string[]): Uint8Array[][] {
  const all = [leaves.map(hashOf)];
  for (let level = all[0] ?? []; level.length > 1; all.push(level)) {
    const next: Uint8Array[] = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = level.slice(at, at + 2);
      if (left !== undefined) next.push(right === undefined ? left : nodeHash(sha256, left, right));
    }
    level = next;
  }
  return all;
}

export interface MerkleTree {
  /** Hex. */
  root: string;
  /** Hex, from the leaf's neighbour up. */
  pathOf(index: number): string[];
}

/** @throws when there is no leaf. */
export function merkleTree(leaves: readonly string[]): MerkleTree {
  if (leaves.length === 0) throw new Error('a tree has at least one leaf');
  const all = levels(leaves);
  const [root = new Uint8Array(0)] = all.at(-1) ?? [];
  return {
    root: hex(root),
    pathOf(index) {
      const path: string[] = [];
      let at = index;
      for (const level of all.slice(0, -1)) {
        const neighbour = level[at ^ 1];
        if (neighbour !== undefined) path.push(hex(neighbour));
        at >>= 1;
      }
      return path;
    },
  };
}

const HASH_IN_HEX = /^[0-9a-f]{64}$/;

/** Whether `leaf` is the `index`th of `count` leaves under `root`. What is no hash is in no tree. */
export function isInTree(options: {
  root: string;
  count: number;
  leaf: string;
  index: number;
  path: readonly string[];
}): boolean {
  const { root, count, leaf, index, path } = options;
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(index)) return false;
  if (![root, ...path].every((text) => HASH_IN_HEX.test(text))) return false;
  return verifyInclusion(sha256, {
    index,
    size: count,
    leaf: hashOf(leaf),
    root: Buffer.from(root, 'hex'),
    proof: path.map((text) => Buffer.from(text, 'hex')),
  });
}
