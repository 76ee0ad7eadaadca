import type { Guarantee } from './guarantee.ts';

/** What holds while something is broken on purpose: machines, links, disks, peers. */
export const FAULT_GUARANTEES: readonly Guarantee[] = [
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
    id: 'poll-1',
    text: 'Where something on the way blocks WebSockets, the agent goes over to long polling by itself, works completely over it, and says so',
  },
  {
    id: 'poll-2',
    text: 'A request or an answer of a poll that is lost costs nothing: no command starts twice and no result is lost, whichever end is killed',
  },
  {
    id: 'poll-3',
    text: 'A polling agent tries a WebSocket again from time to time; the session moves there and back without a lost or doubled byte, and a trial that fails costs nothing',
  },
  {
    id: 'poll-4',
    text: 'Polls work through a proxy that passes on whole answers alone, and a dead way is seen within 30 s at both ends',
  },
  {
    id: 'poll-5',
    text: 'Each poll is authenticated as an upgrade is; the waiting poll of a revoked agent ends within a second, and an agent has one waiting poll and a bounded number of links',
  },
];
