import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../base/dsse.ts';
import {
  CompactRange,
  consistencyProof,
  inclusionProof,
  leafHash,
  type SubtreeHash,
  verifyConsistency,
  verifyInclusion,
} from '../../../protocol/merkle.ts';

const MOST = 35;
const leaves = Array.from({ length: MOST }, (_, index) => leafHash(sha256, Buffer.from(`leaf ${index}`)));

function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  const range = new CompactRange(sha256);
  for (const hash of hashes) range.append(hash);
  return range.root();
}
const subtree: SubtreeHash = async (start, size) => rootOf(leaves.slice(start, start + size));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const rootAt = (size: number) => rootOf(leaves.slice(0, size));

describe('a tree', () => {
  // The vectors of the Certificate Transparency project (certificate-transparency-go, merkletree tests).
  it('has the roots that the reference has', () => {
    const inputs = [
      '',
      '00',
      '10',
      '2021',
      '3031',
      '40414243',
      '5051525354555657',
      '606162636465666768696a6b6c6d6e6f',
    ];
    const hashes = inputs.map((text) => leafHash(sha256, Buffer.from(text, 'hex')));
    expect(hex(rootOf([]))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(hex(rootOf(hashes.slice(0, 1)))).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
    expect(hex(rootOf(hashes.slice(0, 3)))).toBe(
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    );
    expect(hex(rootOf(hashes))).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328');
  });

  it('goes on from its peaks alone', () => {
    for (let size = 0; size < MOST; size++) {
      const before = new CompactRange(sha256);
      for (const leaf of leaves.slice(0, size)) before.append(leaf);
      const after = new CompactRange(sha256, { size, peaks: before.peaks });
      for (const leaf of leaves.slice(size)) after.append(leaf);
      expect(hex(after.root())).toBe(hex(rootAt(MOST)));
    }
    expect(() => new CompactRange(sha256, { size: 3, peaks: [] })).toThrow('2 peaks');
  });
});

describe('a proof', () => {
  it('of inclusion holds for its leaf, its place and its root alone', async () => {
    for (let size = 1; size <= MOST; size++) {
      for (let index = 0; index < size; index++) {
        const proof = await inclusionProof(sha256, subtree, index, size);
        const leaf = leaves[index] ?? Buffer.alloc(0);
        const of = { index, size, leaf, root: rootAt(size), proof };
        expect(verifyInclusion(sha256, of)).toBe(true);
        expect(verifyInclusion(sha256, { ...of, leaf: leafHash(sha256, Buffer.from('another')) })).toBe(
          false,
        );
        expect(verifyInclusion(sha256, { ...of, index: size })).toBe(false);
        if (size > 1) expect(verifyInclusion(sha256, { ...of, index: (index + 1) % size })).toBe(false);
        expect(verifyInclusion(sha256, { ...of, proof: [...proof, leaf] })).toBe(false);
      }
    }
  });

  it('of consistency holds for its two trees alone', async () => {
    for (let to = 1; to <= MOST; to++) {
      for (let from = 1; from <= to; from++) {
        const proof = await consistencyProof(sha256, subtree, from, to);
        const of = {
          from: { size: from, root: rootAt(from) },
          to: { size: to, root: rootAt(to) },
          proof,
        };
        expect(verifyConsistency(sha256, of)).toBe(true);
        const other = leafHash(sha256, Buffer.from('other'));
        expect(verifyConsistency(sha256, { ...of, from: { size: from, root: other } })).toBe(false);
        expect(verifyConsistency(sha256, { ...of, to: { size: to, root: other } })).toBe(false);
        expect(verifyConsistency(sha256, { ...of, proof: [...proof, other] })).toBe(false);
        if (proof.length > 0) expect(verifyConsistency(sha256, { ...of, proof: proof.slice(1) })).toBe(false);
      }
    }
  });

  it('is not asked for where a tree shrinks', () => {
    const big = { size: 3, root: rootAt(3) };
    const small = { size: 2, root: rootAt(2) };
    expect(verifyConsistency(sha256, { from: big, to: small, proof: [] })).toBe(false);
  });
});
