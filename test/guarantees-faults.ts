import type { Guarantee } from './guarantee.ts';

/** What holds while something is broken on purpose: machines, links, disks, peers. */
export const FAULT_GUARANTEES: readonly Guarantee[] = [
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
];
