import { createHash, generateKeyPair, type KeyObject, randomBytes, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import type * as X509 from '@peculiar/x509';
import { BACKDATE_S } from '../../protocol/certificate-profile.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

let loaded: Promise<typeof X509> | undefined;

/** The X.509 library is heavy and needs its metadata shim first; both load when the first certificate is made. */
export function loadX509(): Promise<typeof X509> {
  loaded ??= (async () => {
    await import('reflect-metadata');
    const x509 = await import('@peculiar/x509');
    x509.cryptoProvider.set(webcrypto);
    return x509;
  })();
  return loaded;
}

export interface EcKeyPair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}

export const newP256 = async (): Promise<EcKeyPair> =>
  promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });

export const fingerprintOf = (der: Uint8Array): string => createHash('sha256').update(der).digest('hex');

/** SHA-256 of a key's SPKI: how the store knows a key again. */
export const publicKeyHash = (spkiDer: Uint8Array): string => fingerprintOf(spkiDer);

export const spkiOf = (publicKey: KeyObject): Buffer => publicKey.export({ type: 'spki', format: 'der' });

export interface SubjectAltNames {
  uris: readonly string[];
  dns: readonly string[];
  ips: readonly string[];
}

export interface CertificateRequest {
  /** Subject: its attributes, most significant first. */
  subject: { commonName: string; organization: string };
  /** SPKI DER of the subject's key. */
  publicKey: Uint8Array;
  /** Undefined: self-signed by `signingKey`. PEM. */
  issuer?: string;
  signingKey: KeyObject;
  kind: 'root' | 'issuing' | 'orchestrator' | 'agent';
  names?: SubjectAltNames;
  nowMs: number;
  lifetimeS: number;
}

export interface IssuedCertificate {
  pem: string;
  fingerprint: string;
  serial: string;
  notBeforeMs: number;
  notAfterMs: number;
}

function extensionsOf(x509: typeof X509, request: CertificateRequest): X509.Extension[] {
  const { kind } = request;
  const authority = kind === 'root' || kind === 'issuing';
  const usages = authority
    ? x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign
    : x509.KeyUsageFlags.digitalSignature;
  const extensions: X509.Extension[] = [
    new x509.BasicConstraintsExtension(
      authority,
      kind === 'root' ? 1 : kind === 'issuing' ? 0 : undefined,
      true,
    ),
    new x509.KeyUsagesExtension(usages, true),
  ];
  if (kind === 'orchestrator')
    extensions.push(new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth], false));
  // The agent's certificate is its client certificate and serves its local HTTPS.
  if (kind === 'agent') {
    const both = [x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth];
    extensions.push(new x509.ExtendedKeyUsageExtension(both, false));
  }
  if (request.names) {
    const { uris, dns, ips } = request.names;
    extensions.push(
      new x509.SubjectAlternativeNameExtension([
        ...uris.map((value) => ({ type: 'url' as const, value })),
        ...dns.map((value) => ({ type: 'dns' as const, value })),
        ...ips.map((value) => ({ type: 'ip' as const, value })),
      ]),
    );
  }
  return extensions;
}

/** Makes one certificate to the profile. Everything in it comes from the request; nothing from a CSR but the key. */
export async function makeCertificate(request: CertificateRequest): Promise<IssuedCertificate> {
  const x509 = await loadX509();
  const { subtle } = webcrypto;
  const issuer = request.issuer === undefined ? undefined : new x509.X509Certificate(request.issuer);
  const publicKey = await subtle.importKey('spki', request.publicKey, ALGORITHM, true, ['verify']);
  const signingKey = await subtle.importKey(
    'pkcs8',
    request.signingKey.export({ type: 'pkcs8', format: 'der' }),
    ALGORITHM,
    false,
    ['sign'],
  );
  const subject = new x509.Name([
    { O: [request.subject.organization] },
    { CN: [request.subject.commonName] },
  ]);
  // X.509 has whole seconds; a leaf never outlives its issuer.
  const notBeforeMs = Math.floor(request.nowMs / 1000) * 1000 - BACKDATE_S * 1000;
  const wanted = notBeforeMs + (BACKDATE_S + request.lifetimeS) * 1000;
  const notAfterMs = issuer === undefined ? wanted : Math.min(wanted, issuer.notAfter.getTime());
  const serial = randomBytes(16);
  // Positive and of full length (RFC 5280, 4.1.2.2).
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial.toString('hex'),
    subject: subject.toString(),
    issuer: issuer?.subject ?? subject.toString(),
    notBefore: new Date(notBeforeMs),
    notAfter: new Date(notAfterMs),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey,
    extensions: [
      ...extensionsOf(x509, request),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer?.publicKey ?? publicKey),
    ],
  });
  return {
    pem: `${certificate.toString('pem')}\n`,
    fingerprint: fingerprintOf(new Uint8Array(certificate.rawData)),
    serial: serial.toString('hex'),
    notBeforeMs,
    notAfterMs,
  };
}
