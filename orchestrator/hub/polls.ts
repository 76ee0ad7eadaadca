import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../base/clock.ts';
import { AppError } from '../../protocol/errors.ts';
import {
  decodePollBatch,
  encodePollBatch,
  MAX_POLL_BODY_BYTES,
  POLL_HOLD_S,
  type PollBatch,
} from '../../protocol/poll.ts';
import type { ConnectedAgent } from './agent-session.ts';
import { Connection } from './connection.ts';
import type { Hub } from './hub.ts';
import { PollSocket } from './long-poll.ts';

/** Links of one agent: the present one, one that takes over, and one that is being told why it ended. */
const MAX_LINKS = 3;
/** Requests with frames that one link may have under way: one, and its repetition when the first was lost. */
const MAX_POSTS = 2;

export type PollingAgent = Omit<ConnectedAgent, 'address' | 'transport'> & {
  state: 'active' | 'quarantined' | 'pending';
};

interface Link {
  socket: PollSocket;
  posts: number;
}

/** The links of agents that poll. Who asks has been authenticated, for each request anew. */
export interface Polls {
  /** The answer to a POST: up to which number the agent's frames have been taken. @throws AppError */
  post(agent: PollingAgent, link: string, request: IncomingMessage): Promise<Uint8Array>;
  /** The answer to a GET: frames for the agent. @throws AppError */
  get(
    agent: PollingAgent,
    asked: { link: string; after: number; hold: number },
    closed: AbortSignal,
  ): Promise<Uint8Array>;
}

export function createPolls(options: { hub: Pick<Hub, 'accept'>; clock: Clock }): Polls {
  const { hub, clock } = options;
  const links = new Map<string, Map<string, Link>>();

  const find = (agent: PollingAgent, id: string): Link => {
    const link = links.get(agent.agentId)?.get(id);
    if (link === undefined) throw new AppError('link_unknown');
    link.socket.heard();
    return link;
  };

  function open(agent: PollingAgent, id: string, address: string | null): Link {
    const own = links.get(agent.agentId) ?? new Map<string, Link>();
    const [oldest] = own.size < MAX_LINKS ? [] : own.values();
    oldest?.socket.terminate();
    const socket = new PollSocket({
      clock,
      onGone() {
        own.delete(id);
        if (own.size === 0 && links.get(agent.agentId) === own) links.delete(agent.agentId);
      },
    });
    const link = { socket, posts: 0 };
    links.set(agent.agentId, own.set(id, link));
    const { state, ...who } = agent;
    const connection = new Connection({ webSocket: socket, socket, clock });
    hub.accept(connection, { ...who, address, transport: 'poll' }, state);
    return link;
  }

  async function post(link: Link | undefined, request: IncomingMessage): Promise<PollBatch> {
    const decoded = decodePollBatch(await readBody(request, (bytes) => link?.socket.heard(bytes)));
    if (decoded.kind === 'invalid') throw new AppError('bad_request', { detail: `${decoded.problem}.` });
    return decoded.batch;
  }

  return {
    async post(agent, id, request) {
      const present = links.get(agent.agentId)?.get(id);
      present?.socket.heard();
      if (present?.socket.isPaused)
        throw new AppError('unavailable', {
          detail: 'What was sent before is not on disk yet.',
          context: { retry_after: 1 },
        });
      if (present !== undefined && present.posts >= MAX_POSTS)
        throw new AppError('rate_limited', { detail: 'This link has requests under way.' });
      if (present !== undefined) present.posts += 1;
      try {
        const batch = await post(present, request);
        // Only what begins with its first frame begins a link: of one that was forgotten, something would be missing.
        const begins = batch.first === 1 && batch.frames.length > 0;
        const known = links.get(agent.agentId)?.get(id);
        const link =
          known ?? (begins ? open(agent, id, request.socket.remoteAddress ?? null) : find(agent, id));
        return encodePollBatch({ first: 0, taken: link.socket.take(batch), frames: [] });
      } finally {
        if (present !== undefined) present.posts -= 1;
      }
    },
    async get(agent, { link, after, hold }, closed) {
      const { socket } = find(agent, link);
      const holdMs = Math.min(hold, POLL_HOLD_S) * 1000;
      return encodePollBatch(await socket.next(after, holdMs, closed));
    },
  };
}

async function readBody(request: IncomingMessage, onBytes: (bytes: number) => void): Promise<Buffer> {
  const tooLarge = () =>
    new AppError('payload_too_large', { detail: `A batch holds at most ${MAX_POLL_BODY_BYTES} bytes.` });
  if (Number(request.headers['content-length'] ?? 0) > MAX_POLL_BODY_BYTES) throw tooLarge();
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > MAX_POLL_BODY_BYTES) throw tooLarge();
    onBytes(piece.length);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
