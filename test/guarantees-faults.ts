import type { Guarantee } from './guarantee.ts';

/** What holds while something is broken on purpose: machines, links, disks, peers. */
export const FAULT_GUARANTEES: readonly Guarantee[] = [
  {
    id: 'fault-1',
    text: 'While programs are killed and links break in every way, no accepted command is lost, none runs twice, and each ends in time.',
  },
  {
    id: 'fault-2',
    text: 'An agent that is killed at any point between taking a command and the acknowledgement of its result runs it once at most; `unknown` is only what may have run.',
  },
  {
    id: 'fault-3',
    text: 'An orchestrator that is killed at any point between a request and the acknowledgement of a result loses no accepted command and has none run twice.',
  },
  {
    id: 'fault-4',
    text: 'When the orchestrator was away, agents come back spread over time, all of them, and no command is lost.',
  },
  {
    id: 'fault-5',
    text: 'A link that swallows everything is seen as dead by both ends within 30 s, and brings no storm of new connections.',
  },
];
