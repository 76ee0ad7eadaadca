import type { Guarantee } from './guarantee.ts';

/** The life of certificates and identities: renewal, rotation, revocation, the way back. */
export const CERTIFICATE_GUARANTEES: readonly Guarantee[] = [
  {
    id: 'cert-1',
    text: 'A certificate is renewed at half of its life, a tenth of it earlier or later, counted from when it was made.',
  },
  {
    id: 'cert-2',
    text: 'A renewal makes a new key and certificate, moves the session over to them and loses no command: each runs once, and ends.',
  },
  {
    id: 'cert-3',
    text: 'A machine that is cut off at any step of a renewal starts with a key and a certificate that belong together and that the orchestrator takes.',
  },
  {
    id: 'cert-4',
    text: 'When a renewal fails, or the new certificate is refused, the old pair stays and the renewal is tried again before it ends.',
  },
];
