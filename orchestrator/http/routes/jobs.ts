import { z } from 'zod';
import { AppError } from '../../../protocol/errors.ts';
import { jobIdSchema } from '../../../protocol/ids.ts';
import {
  cancelResponseSchema,
  createJobRequestSchema,
  jobListSchema,
  jobWithCommandsSchema,
} from '../../../protocol/rest-jobs.ts';
import { TERMINAL_TOOL } from '../../../protocol/terminal.ts';
import type { Cancel } from '../../jobs/cancel.ts';
import { listJobs, readJob } from '../../jobs/read.ts';
import type { Submit } from '../../jobs/submit.ts';
import type { Store } from '../../store/store.ts';
import { defineRoute, type Route } from '../route.ts';

const params = z.object({ id: jobIdSchema });
/** What a client may use as Idempotency-Key: up to 255 visible ASCII characters. */
const KEY = /^[\x21-\x7e]{1,255}$/;

const listQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: jobIdSchema.optional(),
});

function idempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && KEY.test(header)) return header;
  throw new AppError('bad_request', {
    detail: 'The header Idempotency-Key is not valid.',
    hint: 'Send one value of up to 255 visible ASCII characters, such as a UUID.',
  });
}

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
      async handler({ org, caller, request, reply, body }) {
        if (body.tool === TERMINAL_TOOL)
          throw new AppError('bad_request', {
            detail: 'A terminal is no job: somebody has to sit at it.',
            hint: 'Open it on the dashboard, or with vm-orchestrator shell.',
          });
        const { jobId, created } = await submit({
          organizationId: org.id,
          actor: caller.actor,
          address: request.address,
          idempotencyKey: idempotencyKey(request.headers['idempotency-key']),
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
        listJobs(store.db, { organizationId: org.id, limit: query.limit, cursor: query.cursor }),
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
