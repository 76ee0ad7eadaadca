import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ed25519PublicKey, keyId, openEnvelope, signEnvelope } from '../../../base/dsse.ts';
import { PAYLOAD_TYPE, preAuthEncoding } from '../../../protocol/dsse.ts';

const pair = generateKeyPairSync('ed25519');
const spki = pair.publicKey.export({ format: 'der', type: 'spki' });
const kid = keyId(spki);
const keys = new Map([[kid, ed25519PublicKey(spki.toString('base64'))]]);
const envelope = signEnvelope(PAYLOAD_TYPE.command, { hello: 'world' }, { kid, privateKey: pair.privateKey });

describe('signed envelopes', () => {
  it('cover the bytes that DSSE says', () => {
    expect(
      new TextDecoder().decode(
        preAuthEncoding('http://example.com/HelloWorld', new TextEncoder().encode('hello world')),
      ),
    ).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });
  it('give back the exact payload to who holds the key', () => {
    expect(openEnvelope(envelope, PAYLOAD_TYPE.command, keys)?.toString()).toBe('{"hello":"world"}');
  });
  it('stay shut when payload, type, key or key id differ', () => {
    const altered = { ...envelope, payload: Buffer.from('{"hello":"w0rld"}').toString('base64') };
    const other = generateKeyPairSync('ed25519').publicKey;
    const renamed = { ...envelope, signatures: envelope.signatures.map((s) => ({ ...s, kid: 'other' })) };
    expect(openEnvelope(altered, PAYLOAD_TYPE.command, keys)).toBeUndefined();
    expect(openEnvelope(envelope, PAYLOAD_TYPE.release, keys)).toBeUndefined();
    expect(
      openEnvelope({ ...envelope, payload_type: PAYLOAD_TYPE.release }, PAYLOAD_TYPE.release, keys),
    ).toBeUndefined();
    expect(openEnvelope(envelope, PAYLOAD_TYPE.command, new Map([[kid, other]]))).toBeUndefined();
    expect(openEnvelope(renamed, PAYLOAD_TYPE.command, keys)).toBeUndefined();
  });
  it('open when one of several signatures is genuine', () => {
    const several = {
      ...envelope,
      signatures: [{ kid, sig: Buffer.alloc(64).toString('base64') }, ...envelope.signatures],
    };
    expect(openEnvelope(several, PAYLOAD_TYPE.command, keys)).toBeDefined();
  });
  it('take no key of another kind', () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
      format: 'der',
      type: 'spki',
    });
    expect(() => ed25519PublicKey(ec.toString('base64'))).toThrow(/Ed25519/);
  });
});
