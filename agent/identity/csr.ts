import { createPrivateKey, createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;

/** A new P-256 key as PKCS#8 PEM. */
export function createKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/**
 * PKCS#10 request (PEM) for a key. The CA takes from it the public key alone and writes every name itself, so the
 * subject only tells a reader whose it was. The library loads here, not when the daemon starts: it is needed at
 * enrolment and renewal.
 */
export async function createCsr(keyPem: string, vmId: string): Promise<string> {
  await import('reflect-metadata');
  const { Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509');
  const key = createPrivateKey(keyPem);
  const { subtle } = webcrypto;
  const privateKey = await subtle.importKey(
    'pkcs8',
    key.export({ type: 'pkcs8', format: 'der' }),
    ALGORITHM,
    false,
    ['sign'],
  );
  const publicKey = await subtle.importKey(
    'spki',
    createPublicKey(keyPem).export({ type: 'spki', format: 'der' }),
    ALGORITHM,
    true,
    ['verify'],
  );
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [vmId] }],
    keys: { privateKey, publicKey },
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  return `${request.toString('pem')}\n`;
}

/** Whether a request is for this key and signed by it. False for what is no request or no key. */
export async function csrMatchesKey(csrPem: string, keyPem: string): Promise<boolean> {
  await import('reflect-metadata');
  const { Pkcs10CertificateRequest } = await import('@peculiar/x509');
  try {
    const request = new Pkcs10CertificateRequest(csrPem);
    const own = createPublicKey(keyPem).export({ type: 'spki', format: 'der' });
    return own.equals(Buffer.from(request.publicKey.rawData)) && (await request.verify());
  } catch {
    return false;
  }
}
