import { type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { loadX509 } from './x509.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/**
 * A root's key as a certificate of another root ("new with old", RFC 4210, 4.4): whoever trusts only that one can verify
 * what the new root signed. Both roots have the same name, so it is self-issued and does not count against the path
 * length of the old root (RFC 5280, 4.2.1.9); peers tell them apart by key identifiers. PEM.
 */
export async function crossSign(what: { root: string; by: string; key: KeyObject }): Promise<string> {
  const x509 = await loadX509();
  const subject = new x509.X509Certificate(what.root);
  const issuer = new x509.X509Certificate(what.by);
  const signingKey = await webcrypto.subtle.importKey(
    'pkcs8',
    what.key.export({ type: 'pkcs8', format: 'der' }),
    ALGORITHM,
    false,
    ['sign'],
  );
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial.toString('hex'),
    subject: subject.subject,
    issuer: issuer.subject,
    notBefore: subject.notBefore,
    notAfter: new Date(Math.min(subject.notAfter.getTime(), issuer.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey: await subject.publicKey.export(),
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(subject.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}
