import type { Guarantee } from './guarantee.ts';

/** What holds while something is broken on purpose: machines, links, disks, peers. */
export const FAULT_GUARANTEES: readonly Guarantee[] = [
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
