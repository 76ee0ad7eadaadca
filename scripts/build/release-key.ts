import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from '../lib/root.ts';

const DEVELOPMENT_KEY = join(ROOT, '.release/dev.key');

export interface ReleaseKey {
  readonly path: string;
  readonly privateKey: KeyObject;
  /** SPKI DER. */
  readonly publicKey: Buffer;
}

/**
 * The Ed25519 key that signs releases: the PEM file (PKCS #8) that VM_AGENT_RELEASE_KEY_FILE names, else a
 * development key of this checkout, made once and never packed.
 */
export function readReleaseKey(named: string | undefined): ReleaseKey {
  const path = named ?? DEVELOPMENT_KEY;
  if (named === undefined) makeDevelopmentKey();
  const privateKey = createPrivateKey(readFileSync(path));
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    throw new Error(
      `${path} holds a key of type ${privateKey.asymmetricKeyType}; releases are signed with Ed25519`,
    );
  }
  return { path, privateKey, publicKey: createPublicKey(privateKey).export({ type: 'spki', format: 'der' }) };
}

function makeDevelopmentKey(): void {
  mkdirSync(dirname(DEVELOPMENT_KEY), { recursive: true, mode: 0o700 });
  const { privateKey } = generateKeyPairSync('ed25519');
  try {
    writeFileSync(DEVELOPMENT_KEY, privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
      flag: 'wx',
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
