import type { JobWithCommands } from '../../../protocol/rest-jobs.ts';
import type {
  CreateSavedCommandRequest,
  CreateScheduleRequest,
  SavedCommand,
  Schedule,
} from '../../../protocol/rest-schedules.ts';
import { fetchAll, send, sendJson } from './api.ts';

const inOrg = (org: string, path: string): string => `/api/v1/organizations/${org}/${path}`;

export const fetchSchedules = (org: string, signal: AbortSignal): Promise<Schedule[]> =>
  fetchAll(inOrg(org, 'schedules'), signal);
export const createSchedule = (org: string, body: CreateScheduleRequest, key: string): Promise<Schedule> =>
  sendJson(inOrg(org, 'schedules'), { method: 'POST', body, idempotencyKey: key });
export const switchSchedule = (org: string, id: string, enabled: boolean): Promise<Schedule> =>
  sendJson(inOrg(org, `schedules/${id}`), { method: 'PATCH', body: { enabled } });
export const runSchedule = (org: string, id: string, key: string): Promise<JobWithCommands> =>
  sendJson(inOrg(org, `schedules/${id}/run`), { method: 'POST', body: {}, idempotencyKey: key });
export const removeSchedule = (org: string, id: string): Promise<Response> =>
  send(inOrg(org, `schedules/${id}`), { method: 'DELETE' });

export const fetchSaved = (org: string, signal: AbortSignal): Promise<SavedCommand[]> =>
  fetchAll(inOrg(org, 'saved-commands'), signal);
export const createSaved = (
  org: string,
  body: CreateSavedCommandRequest,
  key: string,
): Promise<SavedCommand> =>
  sendJson(inOrg(org, 'saved-commands'), { method: 'POST', body, idempotencyKey: key });
export const removeSaved = (org: string, id: string): Promise<Response> =>
  send(inOrg(org, `saved-commands/${id}`), { method: 'DELETE' });
export const runSaved = (
  org: string,
  id: string,
  body: { parameters: Record<string, string>; selector?: string },
  key: string,
): Promise<JobWithCommands> =>
  sendJson(inOrg(org, `saved-commands/${id}/run`), { method: 'POST', body, idempotencyKey: key });
