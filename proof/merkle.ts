import { createHash } from 'node:crypto';

// The Merkle tree of RFC 6962, section 2.1, over SHA-256. Leaves and inner nodes are hashed apart, so that one cannot
// be shown as the other.

const leafHash = (leaf: string): Buffer => createHash('sha256').update('\0').update(leaf).digest();
const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer =>
  createHash('sha256').update('\x01').update(left).update(right).digest();

/** Every level of the tree, from the leaves to the root. An odd last node moves up as it is. */
function levels(leaves: readonly string[]): Buffer[][] {
  const all = [leaves.map(leafHash)];
  for (let level = all[0] ?? []; level.length > 1; all.push(level)) {
    const next: Buffer[] = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = level.slice(at, at + 2);
      if (left !== undefined) next.push(right === undefined ? left : nodeHash(left, right));
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
  const [root = Buffer.alloc(0)] = all.at(-1) ?? [];
  return {
    root: root.toString('hex'),
    pathOf(index) {
      const path: string[] = [];
      let at = index;
      for (const level of all.slice(0, -1)) {
        const neighbour = level[at ^ 1];
        if (neighbour !== undefined) path.push(neighbour.toString('hex'));
        at >>= 1;
      }
      return path;
    },
  };
}

/** Whether `leaf` is the `index`th of `count` leaves under `root`. */
export function isInTree(options: {
  root: string;
  count: number;
  leaf: string;
  index: number;
  path: readonly string[];
}): boolean {
  const { root, count, leaf, path } = options;
  let at = options.index;
  if (!Number.isSafeInteger(count) || at < 0 || at >= count) return false;
  let hash = leafHash(leaf);
  let used = 0;
  for (let size = count; size > 1; size = Math.ceil(size / 2)) {
    if ((at ^ 1) < size) {
      const text = path[used++];
      if (text === undefined) return false;
      const neighbour = Buffer.from(text, 'hex');
      hash = at % 2 === 1 ? nodeHash(neighbour, hash) : nodeHash(hash, neighbour);
    }
    at >>= 1;
  }
  return used === path.length && hash.toString('hex') === root;
}
