import type { Guarantee } from './guarantee.ts';

/** What holds for commands while programs are killed, links break and everybody comes back at once. */
export const DELIVERY_GUARANTEES: readonly Guarantee[] = [
  {
    id: 'fire-1',
    text: 'While programs are killed and links break in every way, no accepted command is lost, none runs twice, and each ends in time.',
  },
  {
    id: 'fire-2',
    text: 'An agent that is killed at any point between taking a command and the acknowledgement of its result runs it once at most; `unknown` is only what may have run.',
  },
  {
    id: 'fire-3',
    text: 'An orchestrator that is killed at any point between a request and the acknowledgement of a result loses no accepted command and has none run twice.',
  },
  {
    id: 'fire-4',
    text: 'When the orchestrator was away, agents come back spread over time, all of them, and no command is lost.',
  },
  {
    id: 'fire-5',
    text: 'A link that swallows everything is seen as dead by both ends within 30 s, and brings no storm of new connections.',
  },
  {
    id: 'fire-6',
    text: 'A machine that was away gets what waits for it in order, and never what has expired.',
  },
  {
    id: 'soak-1',
    text: 'Memory and descriptors of both programs stay where they are over many commands and reconnections.',
  },
];
