import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, it } from 'vitest';
import { noteCrypto, rawEd25519, sha256 } from '../../../base/dsse.ts';
import {
  formatVerifierKey,
  openCheckpoint,
  parseVerifierKey,
  readCheckpoint,
  signCheckpoint,
} from '../../../protocol/signed-note.ts';

function newKey(name = 'example.org/audit/org-1') {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    name,
    publicKey: rawEd25519(publicKey),
    sign: (message: Uint8Array) => sign(null, message, privateKey),
  };
}
const key = newKey();
const checkpoint = {
  origin: key.name,
  size: 42,
  root: Uint8Array.from(sha256(Buffer.from('root'))),
  retained: 0,
};

// The example of golang.org/x/mod/sumdb/note, the implementation that the C2SP specification describes.
it('reads a key and its hash as other implementations do', () => {
  const text = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
  const parsed = parseVerifierKey(sha256, text);
  expect(parsed?.name).toBe('PeterNeumann');
  expect(parsed && formatVerifierKey(sha256, parsed)).toBe(text);
  expect(parseVerifierKey(sha256, text.replace('c74f20a3', 'c74f20a4'))).toBeUndefined();
  expect(parseVerifierKey(sha256, 'no key')).toBeUndefined();
});

it('opens a checkpoint that the key signed, and says what it says', () => {
  const note = signCheckpoint(sha256, { ...checkpoint, retained: 7 }, key);
  expect(openCheckpoint(noteCrypto, note, key)).toEqual({ ...checkpoint, retained: 7 });
  expect(readCheckpoint(note)?.size).toBe(42);
  expect(note.split('\n').slice(0, 4)).toEqual([
    key.name,
    '42',
    Buffer.from(checkpoint.root).toString('base64'),
    'retained 7',
  ]);
});

it('opens none that was changed, that another signed, or that is of another log', () => {
  const note = signCheckpoint(sha256, checkpoint, key);
  const flipped = [...note].map((char, at) => (at === note.indexOf('42') ? '5' : char)).join('');
  expect(openCheckpoint(noteCrypto, flipped, key)).toBeUndefined();
  expect(openCheckpoint(noteCrypto, note, newKey())).toBeUndefined();
  const foreign = signCheckpoint(sha256, { ...checkpoint, origin: 'example.org/audit/org-2' }, key);
  expect(openCheckpoint(noteCrypto, foreign, key)).toBeUndefined();
  expect(openCheckpoint(noteCrypto, 'no note', key)).toBeUndefined();
  expect(openCheckpoint(noteCrypto, note.slice(0, -20), key)).toBeUndefined();
});
