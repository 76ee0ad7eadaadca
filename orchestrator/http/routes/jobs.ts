import { z } from 'zod';
import { jobIdSchema } from '../../../protocol/ids.ts';
import { originSchema } from '../../../protocol/rest-calls.ts';
import {
  cancelResponseSchema,
  createJobRequestSchema,
  jobListSchema,
  jobWithCommandsSchema,
} from '../../../protocol/rest-jobs.ts';
import { rightFor } from '../../../protocol/tool-rights.ts';
import type { Cancel } from '../../jobs/cancel.ts';
import { listJobs, readJob } from '../../jobs/read.ts';
import type { Submit } from '../../jobs/submit.ts';
import type { Store } from '../../store/store.ts';
import { requireNeed } from '../auth-user.ts';
import { idempotencyKeyOf } from '../replay.ts';
import { defineRoute, type Route } from '../route.ts';

const params = z.object({ id: jobIdSchema });

const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: jobIdSchema.optional(),
  origin: originSchema.default('job').describe('call: calls of one tool, whose results somebody waited for'),
});

export function jobRoutes(options: { store: Store; submit: Submit; cancel: Cancel }): Route[] {
  const { store, submit, cancel } = options;
  return [
    defineRoute({
      method: 'POST',
      path: '/api/v1/organizations/{org}/jobs',
      summary: 'Send a command to the agents that a selector means; takes the header Idempotency-Key',
      auth: 'user',
      needs: 'jobs.run',
      body: createJobRequestSchema,
      response: jobWithCommandsSchema,
      successStatus: 202,
      otherStatuses: { 200: 'The same request was accepted before' },
      // Stored with the job, in one transaction.
      ownIdempotency: true,
      async handler({ org, caller, request, reply, body }) {
        requireNeed(rightFor(body.tool), caller, org);
        const { jobId, created } = await submit({
          organizationId: org.id,
          actor: caller.actor,
          address: request.address,
          idempotencyKey: idempotencyKeyOf(request.headers['idempotency-key']),
          body,
        });
        if (!created) reply.status(200);
        reply.header('location', `/api/v1/organizations/${org.id}/jobs/${jobId}`);
        return readJob(store.db, org.id, jobId);
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/organizations/{org}/jobs',
      summary: 'List jobs, newest first',
      auth: 'user',
      needs: 'jobs.read',
      query: listQuery,
      response: jobListSchema,
      handler: ({ org, query }) =>
        listJobs(store.db, {
          organizationId: org.id,
          limit: query.limit,
          cursor: query.cursor,
          origin: query.origin,
        }),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/organizations/{org}/jobs/{id}',
      summary: 'Read a job and its commands',
      auth: 'user',
      needs: 'jobs.read',
      params,
      response: jobWithCommandsSchema,
      handler: ({ org, params: { id } }) => readJob(store.db, org.id, id),
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/organizations/{org}/jobs/{id}/cancel',
      summary: 'Ask for the end of a job’s commands',
      auth: 'user',
      needs: 'jobs.run',
      params,
      response: cancelResponseSchema,
      async handler({ org, caller, request, params: { id } }) {
        const outcome = await cancel({
          organizationId: org.id,
          jobId: id,
          actor: caller.actor,
          address: request.address,
        });
        return { id, cancel_requested: outcome.cancelRequested, already_ended: outcome.alreadyEnded };
      },
    }),
  ];
}
