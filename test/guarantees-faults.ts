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
    id: 'fault-11',
    text: 'An agent whose disk is full, read-only or failing refuses commands with a reason that names the folder, says so in heartbeat and health, stays connected, loses no result, and goes on by itself.',
  },
  {
    id: 'fault-12',
    text: 'A disk that is full or read-only when the agent starts makes no crash loop: it stays, says why, and connects when the disk can be used.',
  },
  {
    id: 'fault-13',
    text: 'An orchestrator whose disk takes nothing answers 503, acknowledges nothing, is not ready, and goes on by itself; agents keep their results and send them again.',
  },
  {
    id: 'fault-14',
    text: 'A damaged store is found when the orchestrator starts, and the message says what to do.',
  },
  {
    id: 'fault-15',
    text: 'A clock that is wrong, or set while the agent runs, moves no time limit, is named as the cause of what it spoils, costs no identity, and once it is right all works without a restart.',
  },
  {
    id: 'fault-16',
    text: 'Peers that connect and then say little or nothing hold up nobody else, at the orchestrator and at an agent, and are cut off.',
  },
  {
    id: 'fault-17',
    text: 'Commands that print without end, hold files or leave processes behind are ended at their limits with a mark and without survivors; the agent’s memory and heartbeat stay as they were.',
  },
  {
    id: 'fault-18',
    text: 'A name of the orchestrator that is not known, comes late or leads to nobody is said, loses nothing, and is tried until it works.',
  },
  {
    id: 'fault-19',
    text: 'While the executor’s audit log cannot be written nothing runs through the executor; it stays, and goes on when the log can be written.',
  },
  {
    id: 'fault-20',
    text: 'What throws while a request or a frame is handled costs this request or this session, tells nobody its message, and never ends the orchestrator.',
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
