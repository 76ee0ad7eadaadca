import { createPrivateKey } from 'node:crypto';
import { parseCertificates } from './certificates.ts';

/** A key and the certificate that was made for it, PEM. */
export interface Pair {
  key: string;
  certificate: string;
}

/** What lies in `security/`: the pair in use, and what a renewal has made so far. */
export interface PairTexts {
  key: string;
  certificate: string;
  nextKey: string | undefined;
  nextCertificate: string | undefined;
}

export interface FoundPairs {
  current: Pair;
  /** Of a renewal: its key, and its certificate as soon as that is there. */
  next: { key: string; certificate: string | undefined } | undefined;
  /** Which half has still to take its place: a switch was interrupted between the two. */
  unfinished: 'key' | 'certificate' | undefined;
  /** No half belongs to any other. */
  broken: boolean;
}

function isKey(pem: string): boolean {
  try {
    createPrivateKey(pem);
    return true;
  } catch {
    return false;
  }
}

/** Whether a certificate was made for a key. False for what is none of both. */
export function belong(certificatePem: string | undefined, keyPem: string | undefined): boolean {
  if (certificatePem === undefined || keyPem === undefined) return false;
  try {
    return parseCertificates(certificatePem)[0]?.checkPrivateKey(createPrivateKey(keyPem)) ?? false;
  } catch {
    return false;
  }
}

/**
 * Which halves make the pair in use, whatever instant of a renewal they were left at. The certificate takes its
 * place before the key; a file system that kept only the second of the two steps is understood as well.
 */
export function choosePair({ key, certificate, nextKey, nextCertificate }: PairTexts): FoundPairs {
  const found = (
    current: Pair,
    unfinished: FoundPairs['unfinished'],
    next: FoundPairs['next'] = undefined,
  ): FoundPairs => ({ current, next, unfinished, broken: false });
  if (belong(certificate, key)) {
    if (nextKey === undefined || nextKey === key || !isKey(nextKey))
      return found({ key, certificate }, undefined);
    const made = belong(nextCertificate, nextKey) ? nextCertificate : undefined;
    return found({ key, certificate }, undefined, { key: nextKey, certificate: made });
  }
  if (nextKey !== undefined && belong(certificate, nextKey))
    return found({ key: nextKey, certificate }, 'key');
  if (nextCertificate !== undefined && belong(nextCertificate, key))
    return found({ key, certificate: nextCertificate }, 'certificate');
  return { current: { key, certificate }, next: undefined, unfinished: undefined, broken: true };
}
