import type { Guarantee } from './guarantee.ts';

/** The life of certificates and identities: renewal, rotation, revocation, the way back. */
export const CERTIFICATE_GUARANTEES: readonly Guarantee[] = [
  { id: 'cert-31', text: 'No TLS session is ever resumed: each connection proves its certificate afresh.' },
  {
    id: 'cert-32',
    text: 'A certificate that has ended opens nothing, afresh or resumed, and its open socket closes at its end.',
  },
  {
    id: 'cert-33',
    text: 'A client certificate counts only if an issuing key of its own organization signed it and the orchestrator gave it.',
  },
  {
    id: 'cert-34',
    text: 'A revoked certificate, agent or organization is cut within a second while the bus is up, and opens nothing from then on.',
  },
  { id: 'cert-35', text: 'Without any hint, what was revoked is cut within 30 seconds.' },
  {
    id: 'cert-36',
    text: 'A locked machine gets no command, while its heartbeats and its word on the audit log still count.',
  },
  {
    id: 'cert-37',
    text: 'An agent says nothing to a server that is not its orchestrator by CA, name, role, dates and TLS 1.3.',
  },
  {
    id: 'cert-1',
    text: 'A certificate is renewed at half of its life, a tenth of it earlier or later, counted from when it was made.',
  },
  {
    id: 'return-1',
    text: 'An agent keeps its identity and comes again whatever it is answered: no status, code or close makes it forget who it is.',
  },
  {
    id: 'return-2',
    text: 'A machine that slept past its certificate comes back with it and a proof of its key, once an operator or a rule lets it in; what was queued for it runs once.',
  },
  {
    id: 'return-3',
    text: 'Nobody else comes back so: not by another key, a used nonce or another’s certificate, nor with one that was revoked or superseded.',
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
  {
    id: 'return-4',
    text: 'Two machines with one identity are both cut off and get nothing until an operator decides; a restart, a reboot and a renewal are no second machine.',
  },
  {
    id: 'return-5',
    text: 'A disk that was rolled back, and a machine that became another one, get nothing until an operator admits them; what was acknowledged never runs again.',
  },
  {
    id: 'cert-5',
    text: 'The orchestrator renews its own certificate, and those that sign, without a restart and without dropping a connection.',
  },
  {
    id: 'cert-38',
    text: 'The root is rotated without losing an agent or a command, also of agents that were away for a part of it or know of no rotation.',
  },
  {
    id: 'cert-39',
    text: 'When the key of the root is lost, agents follow to the backup root, whose pin they keep.',
  },
  {
    id: 'cert-40',
    text: 'Roots are replaced only by a newer set that the command root signed and a pinned root vouches for.',
  },
  {
    id: 'cert-41',
    text: 'A backup of before a change of the CA brings the fleet back: agents with certificates of an issuer that it lacks wait to be admitted, and those that trust a later root follow by the backup root.',
  },
];
