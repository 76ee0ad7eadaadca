import type { Guarantee } from './guarantee.ts';

/** The life of certificates and identities: renewal, rotation, revocation, the way back. */
export const CERTIFICATE_GUARANTEES: readonly Guarantee[] = [
  {
    id: 'cert-1',
    text: 'A certificate is renewed at half of its life, a tenth of it earlier or later, counted from when it was made.',
  },
];
