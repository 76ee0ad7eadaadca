import type { Guarantee } from './guarantee.ts';
import { ATTACK_GUARANTEES } from './guarantees-attacks.ts';

/** What holds while something is broken on purpose: machines, links, disks, peers. */
export const FAULT_GUARANTEES: readonly Guarantee[] = [
  ...ATTACK_GUARANTEES,
  {
    id: 'fault-1',
    text: 'An orchestrator that is put back to a backup begins a new epoch: no command runs twice, what waited is held, unspent tokens end, agents that it does not know wait to be admitted.',
  },
  {
    id: 'fault-2',
    text: 'What an API answer acknowledged is in any image of the data that is taken after it, also one of a moment in which the machine lost power.',
  },
  {
    id: 'fault-3',
    text: 'A backup that is made while the orchestrator serves is of one moment, is whole or is refused, and opens nothing without the master key.',
  },
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
