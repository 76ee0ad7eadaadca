import { z } from 'zod';
import type { Clock } from '../../../base/clock.ts';
import { type JobId, jobIdSchema } from '../../../protocol/ids.ts';
import {
  cancelResponseSchema,
  createJobRequestSchema,
  jobListQuerySchema,
  jobListSchema,
  jobSchema,
  jobWithCommandsSchema,
  readJobQuerySchema,
} from '../../../protocol/rest-jobs.ts';
import { outputGroupsSchema, previewSchema, retryRequestSchema } from '../../../protocol/rest-rollout.ts';
import type { Jobs } from '../../jobs/jobs.ts';
import { findJob, listJobs, readJob } from '../../jobs/read.ts';
import type { Store } from '../../store/store.ts';
import type { Caller, OrganizationAccess } from '../auth.ts';
import { requireJobRights } from '../job-rights.ts';
import { idempotencyKeyOf } from '../replay.ts';
import { defineRoute, type RequestInfo, type Route } from '../route.ts';

const params = z.object({ id: jobIdSchema });

const PATH = '/api/v1/organizations/{org}/jobs';

type RouteJobs = Pick<Jobs, 'submit' | 'preview' | 'cancel' | 'retry' | 'control' | 'groups' | 'releaseHeld'>;

/** Who asks for what, as the parts of jobs want it. */
const asked = (context: {
  org: OrganizationAccess;
  caller: Caller;
  request: RequestInfo;
  params: { id: JobId };
}) => ({
  organizationId: context.org.id,
  jobId: context.params.id,
  actor: context.caller.actor,
  address: context.request.address,
  idempotencyKey: idempotencyKeyOf(context.request.headers['idempotency-key']),
});

function controlRoutes({ store, jobs }: { store: Store; jobs: RouteJobs }): Route[] {
  return (['pause', 'resume'] as const).map((what) =>
    defineRoute({
      method: 'POST',
      path: `${PATH}/{id}/${what}`,
      summary:
        what === 'pause'
          ? 'Give nothing more of a job in waves to machines; takes the header Idempotency-Key'
          : 'Let a paused job go on; takes the header Idempotency-Key',
      auth: 'user',
      needs: 'jobs.run',
      params,
      response: jobSchema,
      async handler(context) {
        await jobs.control(what, asked(context));
        return readJob(store.db, context.org.id, context.params.id, { output: false });
      },
    }),
  );
}

export function jobRoutes(options: { store: Store; jobs: RouteJobs; clock: Clock }): Route[] {
  const { store, jobs, clock } = options;
  const { submit, cancel } = jobs;
  return [
    ...controlRoutes(options),
    defineRoute({
      method: 'POST',
      path: `${PATH}/preview`,
      summary: 'Say who a job would hit, and in which waves; does nothing',
      auth: 'user',
      readOnly: true,
      needs: 'jobs.run',
      body: createJobRequestSchema,
      response: previewSchema,
      handler({ org, caller, request, body }) {
        requireJobRights(body, caller, org);
        return jobs.preview({ organizationId: org.id, actor: caller.actor, address: request.address, body });
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${PATH}/{id}/retry`,
      summary:
        'Try an ended job again where it did not succeed, as a new job; takes the header Idempotency-Key',
      auth: 'user',
      // Stored with the new job, in one transaction.
      ownIdempotency: true,
      needs: 'jobs.run',
      params,
      body: retryRequestSchema,
      response: jobWithCommandsSchema,
      successStatus: 202,
      otherStatuses: { 200: 'The same request was accepted before' },
      async handler(context) {
        const { org, caller, body, reply } = context;
        const { tool } = await findJob(store.db, org.id, context.params.id);
        requireJobRights({ tool }, caller, org);
        const { jobId, created } = await jobs.retry({ ...asked(context), which: body.which });
        if (!created) reply.status(200);
        reply.header('location', `/api/v1/organizations/${org.id}/jobs/${jobId}`);
        return readJob(store.db, org.id, jobId);
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${PATH}/{id}/release`,
      summary: 'Let go what is held since a restore; takes the header Idempotency-Key',
      auth: 'user',
      // Stored with the commands, in one transaction.
      ownIdempotency: true,
      needs: 'jobs.run',
      params,
      response: jobSchema,
      async handler(context) {
        const { org, caller } = context;
        const { tool } = await findJob(store.db, org.id, context.params.id);
        requireJobRights({ tool }, caller, org);
        await jobs.releaseHeld(asked(context));
        return readJob(store.db, org.id, context.params.id, { output: false });
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${PATH}/{id}/groups`,
      summary: 'Results that are the same, grouped, each with its difference from the largest group',
      auth: 'user',
      needs: 'jobs.read',
      params,
      response: outputGroupsSchema,
      handler: ({ org, params: { id } }) => jobs.groups(org.id, id),
    }),
    defineRoute({
      method: 'POST',
      path: PATH,
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
        requireJobRights(body, caller, org);
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
      path: PATH,
      summary: 'List jobs, newest first',
      auth: 'user',
      needs: 'jobs.read',
      query: jobListQuerySchema,
      response: jobListSchema,
      handler: ({ org, query }) =>
        listJobs(store.db, {
          ...query,
          organizationId: org.id,
          cursor: query.cursor,
          checks: query.checks === 'true',
          nowMs: clock.now(),
        }),
    }),
    defineRoute({
      method: 'GET',
      path: `${PATH}/{id}`,
      summary: 'Read a job and its commands: who ran, who did not, and why',
      auth: 'user',
      needs: 'jobs.read',
      params,
      query: readJobQuerySchema,
      response: jobWithCommandsSchema,
      handler: ({ org, params: { id }, query }) =>
        readJob(store.db, org.id, id, { output: query.output === 'summary' }),
    }),
    defineRoute({
      method: 'POST',
      path: `${PATH}/{id}/cancel`,
      summary: 'Ask for the end of a job’s commands; takes the header Idempotency-Key',
      auth: 'user',
      needs: 'jobs.run',
      params,
      response: cancelResponseSchema,
      async handler(context) {
        const { id } = context.params;
        const outcome = await cancel(asked(context));
        return { id, cancel_requested: outcome.cancelRequested, already_ended: outcome.alreadyEnded };
      },
    }),
  ];
}
