import { AppError } from '../../protocol/errors.ts';
import { loadX509, publicKeyHash } from './x509.ts';

/** All that the CA takes from a certificate signing request. */
export interface CsrKey {
  /** SPKI DER. */
  publicKey: Buffer;
  /** Hex SHA-256 of it. */
  hash: string;
}

const invalid = (detail: string, cause?: unknown): AppError =>
  new AppError('invalid_csr', {
    detail,
    hint: 'Send a PKCS#10 request for a P-256 key, signed by that key with ECDSA and SHA-256.',
    ...(cause === undefined ? {} : { cause }),
  });

/** How long the DER sequence says that it is, with its header; undefined where it is none. */
function lengthOf(der: Buffer): number | undefined {
  const [tag, first] = der;
  if (tag !== 0x30 || first === undefined) return undefined;
  if (first < 0x80) return 2 + first;
  const octets = first & 0x7f;
  return octets === 0 || octets > 4 || der.length < 2 + octets
    ? undefined
    : 2 + octets + der.readUIntBE(2, octets);
}

/**
 * The public key of a PKCS#10 request (PEM or DER), after checking that the request is signed by that key: who
 * cannot sign with it has no business with a certificate for it. Subject and extensions are ignored.
 * @throws AppError `invalid_csr`
 */
export async function readCsr(bytes: Uint8Array): Promise<CsrKey> {
  const x509 = await loadX509();
  const text = Buffer.from(bytes).toString('latin1');
  let der: Buffer;
  if (text.includes('-----BEGIN')) {
    const body = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([\sA-Za-z0-9+/=]+)-----END /.exec(text)?.[1];
    if (body === undefined) throw invalid('The PEM text holds no CERTIFICATE REQUEST.');
    der = Buffer.from(body, 'base64');
  } else {
    der = Buffer.from(bytes);
  }
  // The parser passes over what follows a request, or is missing at its end.
  if (lengthOf(der) !== der.length) throw invalid('The certificate signing request is not one DER sequence.');
  let request: InstanceType<typeof x509.Pkcs10CertificateRequest>;
  let algorithm: { name?: string; namedCurve?: string };
  try {
    request = new x509.Pkcs10CertificateRequest(der);
    // The key is parsed when it is asked for.
    algorithm = request.publicKey.algorithm;
  } catch (cause) {
    throw invalid('The certificate signing request cannot be parsed.', cause);
  }
  if (algorithm.name !== 'ECDSA' || algorithm.namedCurve !== 'P-256') {
    throw invalid(`The key must be P-256, not ${algorithm.namedCurve ?? algorithm.name ?? 'unknown'}.`);
  }
  let genuine: boolean;
  try {
    genuine = await request.verify();
  } catch (cause) {
    throw invalid('The signature of the certificate signing request cannot be checked.', cause);
  }
  if (!genuine) throw invalid('The certificate signing request is not signed by its own key.');
  const publicKey = Buffer.from(request.publicKey.rawData);
  return { publicKey, hash: publicKeyHash(publicKey) };
}
