import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance } from 'fastify';
import { AppError } from '../../protocol/errors.ts';
import type { TokenRate } from '../../protocol/provisioning-token.ts';
import type { Identified } from './mount.ts';

/**
 * Holds each user and API token to a number of requests; the routes that are put on `scope` afterwards. The key is what
 * the caller proved, so that nobody is slowed down by another one at his address.
 */
export async function limitRequests(scope: FastifyInstance, rate: TokenRate): Promise<void> {
  await scope.register(rateLimit, {
    max: rate.uses,
    timeWindow: rate.window_s * 1000,
    cache: 20_000,
    enableDraftSpec: true,
    keyGenerator(request) {
      const { caller } = (request as Identified).who ?? {};
      // One person in two browsers is one person.
      return caller === undefined ? '' : `${caller.actor.type}:${caller.actor.id}`;
    },
    errorResponseBuilder(_request, { ttl }) {
      const seconds = Math.max(1, Math.ceil(ttl / 1000));
      return new AppError('rate_limited', {
        detail: `More than ${rate.uses} requests within ${rate.window_s} s; go on in ${seconds} s.`,
        hint: 'Ask less often, or follow what happens by event streams. serve --rate-limit sets the limit.',
        context: { retry_after: seconds },
      });
    },
  });
}
