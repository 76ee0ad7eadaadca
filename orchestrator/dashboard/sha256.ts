import { sha256 } from '@noble/hashes/sha2.js';

/** SHA-256 of what comes in pieces; the browser's own wants the whole file in memory at once. */
export function createSha256(): { update(bytes: Uint8Array): void; hex(): string } {
  const hash = sha256.create();
  return {
    update: (bytes) => void hash.update(bytes),
    hex: () => [...hash.digest()].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
  };
}
