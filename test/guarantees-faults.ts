import type { Guarantee } from './guarantee.ts';

/** What holds while something is broken on purpose: machines, links, disks, peers. */
export const FAULT_GUARANTEES: readonly Guarantee[] = [
  {
    id: 'attack-1',
    text: 'Bytes that are no TLS or HTTP are refused or cut, and cost neither program anything.',
  },
  { id: 'attack-2', text: 'Whoever stops in the middle of a handshake or a request is cut off.' },
];
