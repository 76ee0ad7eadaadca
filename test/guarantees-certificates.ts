import type { Guarantee } from './guarantee.ts';

/** The life of certificates and identities: renewal, rotation, revocation, the way back. */
export const CERTIFICATE_GUARANTEES: readonly Guarantee[] = [];
