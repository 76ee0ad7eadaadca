import { z } from 'zod';
import { AppError } from '../../../protocol/errors.ts';
import { createJobRequestSchema, jobWithCommandsSchema } from '../../../protocol/rest-jobs.ts';
import { listQuerySchema } from '../../../protocol/rest-pages.ts';
import {
  changeSavedCommandRequestSchema,
  changeScheduleRequestSchema,
  createSavedCommandRequestSchema,
  createScheduleRequestSchema,
  runSavedCommandRequestSchema,
  savedCommandListSchema,
  savedCommandSchema,
  scheduledJobSchema,
  scheduleListSchema,
  scheduleSchema,
} from '../../../protocol/rest-schedules.ts';
import { SHELL_TOOL } from '../../../protocol/tool-manifest.ts';
import { readJob } from '../../jobs/read.ts';
import type { Submit } from '../../jobs/submit.ts';
import type { ScheduleEngine } from '../../schedules/engine.ts';
import type { SavedCommands } from '../../schedules/saved-commands.ts';
import { findSchedule, type Schedules } from '../../schedules/schedules.ts';
import { fill } from '../../schedules/template.ts';
import type { Store } from '../../store/store.ts';
import type { Caller, OrganizationAccess } from '../auth.ts';
import { requireJobRights } from '../job-rights.ts';
import { pageAnswer, pageOf } from '../page.ts';
import { defineRoute, type RequestInfo, type Route } from '../route.ts';

const SCHEDULES = '/api/v1/organizations/{org}/schedules';
const SAVED = '/api/v1/organizations/{org}/saved-commands';
const params = z.object({ id: z.string().min(1).max(64).describe('Identifier or name') });

const asked = ({
  org,
  caller,
  request,
}: {
  org: OrganizationAccess;
  caller: Caller;
  request: RequestInfo;
}) => ({
  organizationId: org.id,
  actor: caller.actor,
  address: request.address,
});

export function scheduleRoutes(options: {
  store: Store;
  schedules: Schedules;
  engine: Pick<ScheduleEngine, 'runNow'>;
}): Route[] {
  const { store, schedules, engine } = options;
  return [
    defineRoute({
      method: 'GET',
      path: SCHEDULES,
      summary: 'Schedules, in the order in which they were made',
      auth: 'user',
      needs: 'schedules.read',
      query: listQuerySchema,
      response: scheduleListSchema,
      handler: async ({ org, query }) =>
        pageAnswer(await schedules.list({ organizationId: org.id, ...pageOf(query) })),
    }),
    defineRoute({
      method: 'POST',
      path: SCHEDULES,
      summary: 'Create a schedule: a job that comes again',
      auth: 'user',
      needs: 'schedules.write',
      body: createScheduleRequestSchema,
      response: scheduleSchema,
      successStatus: 201,
      handler(context) {
        requireJobRights(context.body.job, context.caller, context.org);
        return schedules.create({ ...asked(context), settings: context.body });
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${SCHEDULES}/{id}`,
      summary: 'One schedule, with its next runs',
      auth: 'user',
      needs: 'schedules.read',
      params,
      response: scheduleSchema,
      handler: ({ org, params: { id } }) => schedules.get(org.id, id),
    }),
    defineRoute({
      method: 'PATCH',
      path: `${SCHEDULES}/{id}`,
      summary: 'Change a schedule; what waits on agents is taken back',
      auth: 'user',
      needs: 'schedules.write',
      params,
      body: changeScheduleRequestSchema,
      response: scheduleSchema,
      async handler(context) {
        const { org, caller, body } = context;
        const { id, job } = await schedules.get(org.id, context.params.id);
        // To stop it takes no right of what it does; whatever else is changed, it runs by this caller's will.
        const stops = body.enabled === false && Object.keys(body).length === 1;
        if (!stops) for (const one of [job, body.job ?? job]) requireJobRights(one, caller, org);
        return schedules.change({ ...asked(context), id, settings: given(body) });
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: `${SCHEDULES}/{id}`,
      summary: 'Remove a schedule; what waits on agents is taken back',
      auth: 'user',
      needs: 'schedules.write',
      params,
      async handler(context) {
        await schedules.remove({ ...asked(context), id: context.params.id });
        return undefined;
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${SCHEDULES}/{id}/run`,
      summary: 'Run a schedule’s job now, besides its occurrences',
      auth: 'user',
      needs: 'jobs.run',
      params,
      response: jobWithCommandsSchema,
      successStatus: 202,
      async handler({ org, caller, request, params: { id } }) {
        const schedule = await findSchedule(store.db, org.id, id);
        requireJobRights(scheduledJobSchema.parse(JSON.parse(schedule.job)), caller, org);
        const jobId = await engine.runNow(schedule, caller.actor, request.address);
        return readJob(store.db, org.id, jobId, { output: false });
      },
    }),
  ];
}

export function savedCommandRoutes(options: { store: Store; saved: SavedCommands; submit: Submit }): Route[] {
  const { store, saved, submit } = options;
  return [
    defineRoute({
      method: 'GET',
      path: SAVED,
      summary: 'Saved commands, in the order in which they were made',
      auth: 'user',
      needs: 'schedules.read',
      query: listQuerySchema,
      response: savedCommandListSchema,
      handler: async ({ org, query }) =>
        pageAnswer(await saved.list({ organizationId: org.id, ...pageOf(query) })),
    }),
    defineRoute({
      method: 'POST',
      path: SAVED,
      summary: 'Save a command, with parameters that are filled in when it runs',
      auth: 'user',
      needs: 'schedules.write',
      body: createSavedCommandRequestSchema,
      response: savedCommandSchema,
      successStatus: 201,
      handler(context) {
        requireJobRights({ tool: SHELL_TOOL }, context.caller, context.org);
        return saved.create({ ...asked(context), definition: context.body });
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${SAVED}/{id}`,
      summary: 'One saved command',
      auth: 'user',
      needs: 'schedules.read',
      params,
      response: savedCommandSchema,
      handler: ({ org, params: { id } }) => saved.get(org.id, id),
    }),
    defineRoute({
      method: 'PATCH',
      path: `${SAVED}/{id}`,
      summary: 'Change a saved command',
      auth: 'user',
      needs: 'schedules.write',
      params,
      body: changeSavedCommandRequestSchema,
      response: savedCommandSchema,
      handler(context) {
        // Somebody else may run what it becomes.
        requireJobRights({ tool: SHELL_TOOL }, context.caller, context.org);
        return saved.change({ ...asked(context), id: context.params.id, definition: given(context.body) });
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: `${SAVED}/{id}`,
      summary: 'Remove a saved command',
      auth: 'user',
      needs: 'schedules.write',
      params,
      async handler(context) {
        await saved.remove({ ...asked(context), id: context.params.id });
        return undefined;
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${SAVED}/{id}/run`,
      summary: 'Run a saved command with these parameters',
      auth: 'user',
      needs: 'jobs.run',
      params,
      body: runSavedCommandRequestSchema,
      response: jobWithCommandsSchema,
      successStatus: 202,
      async handler(context) {
        const { org, body } = context;
        const command = await saved.get(org.id, context.params.id);
        const selector = body.selector ?? command.selector;
        if (selector === '')
          throw new AppError('bad_request', {
            detail: `${command.name} does not say where it runs.`,
            hint: 'Give a selector, such as env=prod or all.',
          });
        const { jobId } = await submit({
          ...asked(context),
          idempotencyKey: undefined,
          body: createJobRequestSchema.parse({
            selector,
            arguments: { command: fill(command, body.parameters) },
            timeout: body.timeout ?? command.timeout,
            description: command.name,
            ...(body.rollout === undefined ? {} : { rollout: body.rollout }),
            ...(body.expires_in === undefined ? {} : { expires_in: body.expires_in }),
          }),
        });
        return readJob(store.db, org.id, jobId, { output: false });
      },
    }),
  ];
}

/** What the body says; a key that is absent changes nothing. */
const given = <T extends object>(body: T) =>
  Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
