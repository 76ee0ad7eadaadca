import { AppError } from '../../../protocol/errors.ts';
import { POLL_CONTENT_TYPE, pollGetQuerySchema, pollPostQuerySchema } from '../../../protocol/poll.ts';
import type { Polls } from '../../hub/polls.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/agents/{vm_id}/poll';
// Whole answers with their length: a proxy that waits for the end of an answer passes them on at once.
const headers = { 'content-type': POLL_CONTENT_TYPE, 'cache-control': 'no-store' };

/** The channel for agents behind a proxy that blocks WebSockets. */
export function pollRoutes(options: { polls: Polls }): Route[] {
  const { polls } = options;
  return [
    defineRoute({
      method: 'GET',
      path: PATH,
      summary:
        'Frames for the agent that asks; held back until there are some. The next request of the link ends it',
      auth: 'agent',
      query: pollGetQuerySchema,
      raw: { contentType: POLL_CONTENT_TYPE, description: 'A batch of frames' },
      handler: async ({ agent, query, closed }) => ({ headers, body: await polls.get(agent, query, closed) }),
    }),
    defineRoute({
      method: 'POST',
      path: PATH,
      summary: 'Frames of the agent, where WebSockets are blocked; the first one begins the link',
      auth: 'agent',
      query: pollPostQuerySchema,
      rawBody: { contentType: POLL_CONTENT_TYPE, description: 'A batch of frames' },
      raw: { contentType: POLL_CONTENT_TYPE, description: 'Which frames have been taken' },
      async handler({ agent, query, request }) {
        if (request.headers['content-type'] !== POLL_CONTENT_TYPE)
          throw new AppError('bad_request', {
            detail: `A batch comes as Content-Type: ${POLL_CONTENT_TYPE}.`,
          });
        return { headers, body: await polls.post(agent, query.link, request.raw) };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/agents/{vm_id}/ws',
      summary: 'The agent’s channel, as a WebSocket; a request whose upgrade was lost on the way is told so',
      auth: 'agent',
      handler() {
        throw new AppError('websocket_required', {
          detail: 'The request for a WebSocket came without its Upgrade header.',
          hint: 'Something on the way takes it out; the agent goes on by long polling.',
        });
      },
    }),
  ];
}
