import type { Guarantee } from './guarantee.ts';

/** What holds against peers that mean harm. */
export const ATTACK_GUARANTEES: readonly Guarantee[] = [
  {
    id: 'attack-1',
    text: 'Bytes that are no TLS or HTTP are refused or cut, and cost neither program anything.',
  },
  { id: 'attack-2', text: 'Whoever stops in the middle of a handshake or a request is cut off.' },
  {
    id: 'attack-3',
    text: 'No frame of an agent costs the orchestrator more than one connection, and nothing that must be answered is kept for who does not read.',
  },
  {
    id: 'attack-4',
    text: 'Hostile JSON is refused or taken as what it is, at every door, and nothing of it reaches a prototype.',
  },
  {
    id: 'attack-5',
    text: 'Who has the orchestrator’s certificate and not its command keys gets no command executed, and no recorded one twice.',
  },
  {
    id: 'attack-6',
    text: 'Whatever strangers call themselves, each entry of a log stays one line that can be read, and the audit log verifies.',
  },
  {
    id: 'attack-7',
    text: 'A certificate request is read for its key alone; what is none is refused, quickly, and spends no token.',
  },
  {
    id: 'attack-8',
    text: 'Guesses of a provisioning token are counted by the address of the socket and hold up nobody who has a good one.',
  },
  { id: 'attack-9', text: 'The setup script is the same bytes, whatever a request says.' },
  {
    id: 'attack-10',
    text: 'Parsers that face a peer refuse in their own way, whatever they are given, and take back what they wrote.',
  },
  {
    id: 'attack-11',
    text: 'Our own ends agree on X25519MLKEM768, and testssl.sh finds nothing to say against either port.',
  },
  {
    id: 'attack-12',
    text: 'Of a text of others, work grows as its length does: no regular expression of the product holds a program up.',
  },
];
