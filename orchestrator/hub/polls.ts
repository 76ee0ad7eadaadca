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
/** Requests with frames that one agent may have under way: for two links, each with the repetition of one that was lost. */
const MAX_POSTS = 4;

export type PollingAgent = Omit<ConnectedAgent, 'address' | 'transport'> & {
  state: 'active' | 'quarantined' | 'pending';
};

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
  const links = new Map<string, Map<string, PollSocket>>();
  const posts = new Map<string, number>();

  const find = (agent: PollingAgent, id: string): PollSocket => {
    const socket = links.get(agent.agentId)?.get(id);
    if (socket === undefined) throw new AppError('link_unknown');
    socket.heard();
    return socket;
  };

  function open(agent: PollingAgent, id: string, address: string | null): PollSocket {
    const own = links.get(agent.agentId) ?? new Map<string, PollSocket>();
    const [oldest] = own.size < MAX_LINKS ? [] : own.values();
    oldest?.terminate();
    const socket = new PollSocket({
      clock,
      onGone() {
        own.delete(id);
        if (own.size === 0 && links.get(agent.agentId) === own) links.delete(agent.agentId);
      },
    });
    links.set(agent.agentId, own.set(id, socket));
    const { state, ...who } = agent;
    const connection = new Connection({ webSocket: socket, socket, clock });
    hub.accept(connection, { ...who, address, transport: 'poll' }, state);
    return socket;
  }

  /** The batch of a request, while few others of its agent are being read. */
  async function batchOf(
    agentId: string,
    request: IncomingMessage,
    onBytes: (bytes: number) => void,
  ): Promise<PollBatch> {
    const count = posts.get(agentId) ?? 0;
    if (count >= MAX_POSTS)
      throw new AppError('rate_limited', { detail: 'This agent has requests under way.' });
    posts.set(agentId, count + 1);
    try {
      const decoded = decodePollBatch(await readBody(request, onBytes));
      if (decoded.kind === 'invalid') throw new AppError('bad_request', { detail: `${decoded.problem}.` });
      return decoded.batch;
    } finally {
      const left = (posts.get(agentId) ?? 1) - 1;
      if (left === 0) posts.delete(agentId);
      else posts.set(agentId, left);
    }
  }

  return {
    async post(agent, id, request) {
      const own = () => links.get(agent.agentId)?.get(id);
      own()?.heard();
      if (own()?.isPaused)
        throw new AppError('unavailable', {
          detail: 'What was sent before is not on disk yet.',
          context: { retry_after: 1 },
        });
      const batch = await batchOf(agent.agentId, request, (bytes) => own()?.heard(bytes));
      // Only what begins with its first frame begins a link: of one that was forgotten, something would be missing.
      const begins = batch.first === 1 && batch.frames.length > 0;
      const socket =
        own() ?? (begins ? open(agent, id, request.socket.remoteAddress ?? null) : find(agent, id));
      return encodePollBatch({ first: 0, taken: socket.take(batch), frames: [] });
    },
    async get(agent, { link, after, hold }, closed) {
      const holdMs = Math.min(hold, POLL_HOLD_S) * 1000;
      return encodePollBatch(await find(agent, link).next(after, holdMs, closed));
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
