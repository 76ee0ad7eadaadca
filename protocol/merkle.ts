/**
 * The Merkle tree of RFC 6962 / RFC 9162 § 2.1: roots, inclusion and consistency. Pure; SHA-256 is handed in, so that
 * it runs in both programs and in a browser. Numbers stay below 2^53; nothing here shifts by more than one bit.
 */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export const HASH_BYTES = 32;

export function leafHash(sha256: Sha256, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + data.length);
  bytes.set(data, 1);
  return sha256(bytes);
}

export function nodeHash(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + 2 * HASH_BYTES);
  bytes[0] = 1;
  bytes.set(left, 1);
  bytes.set(right, 1 + HASH_BYTES);
  return sha256(bytes);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** The complete subtrees that a tree of `size` leaves is made of, largest first, as their numbers of leaves. */
export function peakSizes(size: number): number[] {
  const sizes: number[] = [];
  let left = size;
  while (left > 0) {
    let peak = 1;
    while (peak * 2 <= left) peak *= 2;
    sizes.push(peak);
    left -= peak;
  }
  return sizes;
}

/** Grows by one leaf at a time and remembers one hash for each complete subtree; the root of any size passes by. */
export class CompactRange {
  readonly #sha256: Sha256;
  #size: number;
  #peaks: Uint8Array[];

  /** @throws when there are not as many peaks as a tree of this size has. */
  constructor(
    sha256: Sha256,
    start: { size: number; peaks: readonly Uint8Array[] } = { size: 0, peaks: [] },
  ) {
    if (peakSizes(start.size).length !== start.peaks.length)
      throw new Error(
        `a tree of ${start.size} has ${peakSizes(start.size).length} peaks, not ${start.peaks.length}`,
      );
    this.#sha256 = sha256;
    this.#size = start.size;
    this.#peaks = [...start.peaks];
  }

  get size(): number {
    return this.#size;
  }
  get peaks(): readonly Uint8Array[] {
    return this.#peaks;
  }

  append(leaf: Uint8Array): void {
    let hash = leaf;
    for (let merged = this.#size; merged % 2 === 1; merged = (merged - 1) / 2)
      hash = nodeHash(this.#sha256, this.#peaks.pop() ?? hash, hash);
    this.#peaks.push(hash);
    this.#size += 1;
  }

  root(): Uint8Array {
    const last = this.#peaks.at(-1);
    if (last === undefined) return this.#sha256(new Uint8Array(0));
    return this.#peaks.slice(0, -1).reduceRight((right, left) => nodeHash(this.#sha256, left, right), last);
  }
}

/** Hash of the complete subtree of `size` leaves (a power of two) that begins at leaf `start`. */
export type SubtreeHash = (start: number, size: number) => Promise<Uint8Array>;

/** Hash over the leaves from `start` on, `size` of them, as a tree of their own; `start` is a border of the tree. */
async function rangeHash(sha256: Sha256, subtree: SubtreeHash, start: number, size: number) {
  const hashes: Uint8Array[] = [];
  let at = start;
  for (const peak of peakSizes(size)) {
    hashes.push(await subtree(at, peak));
    at += peak;
  }
  const last = hashes.pop() ?? sha256(new Uint8Array(0));
  return hashes.reduceRight((right, left) => nodeHash(sha256, left, right), last);
}

/** The largest power of two below `size`. */
const split = (size: number): number => {
  const [peak = 1] = peakSizes(size);
  return peak === size ? size / 2 : peak;
};

/** PATH of RFC 9162 § 2.1.3.1 for the leaf at `index` in the tree of the first `size` leaves. */
export async function inclusionProof(
  sha256: Sha256,
  subtree: SubtreeHash,
  index: number,
  size: number,
): Promise<Uint8Array[]> {
  const path: Uint8Array[] = [];
  let [start, length] = [0, size];
  const siblings: [number, number][] = [];
  while (length > 1) {
    const left = split(length);
    if (index - start < left) {
      siblings.push([start + left, length - left]);
      length = left;
    } else {
      siblings.push([start, left]);
      start += left;
      length -= left;
    }
  }
  for (const [at, count] of siblings.reverse()) path.push(await rangeHash(sha256, subtree, at, count));
  return path;
}

/** PROOF of RFC 9162 § 2.1.4.1: the tree of `to` leaves continues the one of `from` (both at least 1). */
export async function consistencyProof(
  sha256: Sha256,
  subtree: SubtreeHash,
  from: number,
  to: number,
): Promise<Uint8Array[]> {
  const parts: [number, number][] = [];
  let [start, length, wanted, whole] = [0, to, from, true];
  while (wanted !== length) {
    const left = split(length);
    if (wanted <= left) {
      parts.push([start + left, length - left]);
      length = left;
    } else {
      parts.push([start, left]);
      start += left;
      wanted -= left;
      length -= left;
      whole = false;
    }
  }
  if (!whole) parts.push([start, length]);
  const proof: Uint8Array[] = [];
  for (const [at, count] of parts.reverse()) proof.push(await rangeHash(sha256, subtree, at, count));
  return proof;
}

/** RFC 9162 § 2.1.3.2. */
export function verifyInclusion(
  sha256: Sha256,
  of: { index: number; size: number; leaf: Uint8Array; root: Uint8Array; proof: readonly Uint8Array[] },
): boolean {
  if (of.index < 0 || of.index >= of.size) return false;
  let [node, last, hash] = [of.index, of.size - 1, of.leaf];
  for (const sibling of of.proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sha256, sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else hash = nodeHash(sha256, hash, sibling);
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 && sameBytes(hash, of.root);
}

/** RFC 9162 § 2.1.4.2. A tree continues the empty one, and itself, without a proof. */
export function verifyConsistency(
  sha256: Sha256,
  of: {
    from: { size: number; root: Uint8Array };
    to: { size: number; root: Uint8Array };
    proof: readonly Uint8Array[];
  },
): boolean {
  const { from, to } = of;
  if (from.size > to.size) return false;
  if (from.size === to.size) return of.proof.length === 0 && sameBytes(from.root, to.root);
  if (from.size === 0) return of.proof.length === 0;
  const isPeak = peakSizes(from.size).length === 1;
  const [first, ...rest] = isPeak ? [from.root, ...of.proof] : of.proof;
  if (first === undefined) return false;
  let [node, last] = [from.size - 1, to.size - 1];
  while (node % 2 === 1) [node, last] = [(node - 1) / 2, Math.floor(last / 2)];
  let [old, now] = [first, first];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      old = nodeHash(sha256, sibling, old);
      now = nodeHash(sha256, sibling, now);
      while (node % 2 === 0 && node !== 0) [node, last] = [node / 2, Math.floor(last / 2)];
    } else now = nodeHash(sha256, now, sibling);
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
  }
  return last === 0 && sameBytes(old, from.root) && sameBytes(now, to.root);
}
