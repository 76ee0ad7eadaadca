import type { Stream } from '../../../protocol/command.ts';
import type {
  Agent,
  CreateTokenRequest,
  CreateTokenResponse,
  ProvisioningTokenInfo,
  Whoami,
} from '../../../protocol/rest-fleet.ts';
import type { CreateJobRequest, Job, JobWithCommands } from '../../../protocol/rest-jobs.ts';
import type { Overview } from '../../../protocol/rest-overview.ts';
import type { OutputGroups, Preview } from '../../../protocol/rest-rollout.ts';
import type { Recording } from '../../../protocol/rest-terminals.ts';
import { fetchAll, send, sendJson } from './api.ts';

export const fetchSession = (): Promise<Whoami> => sendJson('/api/v1/session');
export const logIn = (username: string, password: string): Promise<Whoami> =>
  sendJson('/api/v1/session', { method: 'POST', body: { username, password } });
export const logOut = (): Promise<Response> => send('/api/v1/session', { method: 'DELETE' });

const inOrg = (org: string, path: string): string => `/api/v1/organizations/${org}/${path}`;

export const fetchOverview = (org: string, signal: AbortSignal): Promise<Overview> =>
  sendJson(inOrg(org, 'overview'), { signal });

export const fetchAgent = (org: string, id: string, signal: AbortSignal): Promise<Agent> =>
  sendJson(inOrg(org, `agents/${id}`), { signal });

export const revokeAgent = (org: string, agentId: string): Promise<Response> =>
  send(inOrg(org, `agents/${agentId}`), { method: 'DELETE' });

export const fetchTokens = (org: string, signal: AbortSignal): Promise<ProvisioningTokenInfo[]> =>
  fetchAll(inOrg(org, 'provisioning-tokens'), signal);
export const createToken = (
  org: string,
  body: CreateTokenRequest,
  idempotencyKey: string,
): Promise<CreateTokenResponse> =>
  sendJson(inOrg(org, 'provisioning-tokens'), { method: 'POST', body, idempotencyKey });
export const revokeToken = (org: string, id: string): Promise<Response> =>
  send(inOrg(org, `provisioning-tokens/${id}`), { method: 'DELETE' });

/** Empty: not asked for. */
export interface JobFilter {
  state: string;
  text: string;
  who: string;
}

export function fetchJobs(
  org: string,
  filter: JobFilter,
  cursor: string | null,
  signal?: AbortSignal,
): Promise<{ items: Job[]; next_cursor: string | null }> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...filter, cursor: cursor ?? '' }))
    if (value.trim() !== '') query.set(name, value.trim());
  const path = query.size === 0 ? 'jobs' : `jobs?${query}`;
  return sendJson(inOrg(org, path), signal === undefined ? {} : { signal });
}
export const fetchJob = (org: string, id: string, signal?: AbortSignal): Promise<JobWithCommands> =>
  sendJson(inOrg(org, `jobs/${id}?output=none`), signal === undefined ? {} : { signal });
export const createJob = (org: string, body: CreateJobRequest, idempotencyKey: string): Promise<Job> =>
  sendJson(inOrg(org, 'jobs'), { method: 'POST', body, idempotencyKey });
export const previewJob = (org: string, body: CreateJobRequest, signal: AbortSignal): Promise<Preview> =>
  sendJson(inOrg(org, 'jobs/preview'), { method: 'POST', body, signal });
export const controlJob = (
  org: string,
  id: string,
  what: 'cancel' | 'pause' | 'resume',
  idempotencyKey: string,
): Promise<Response> => send(inOrg(org, `jobs/${id}/${what}`), { method: 'POST', idempotencyKey });
export const retryJob = (
  org: string,
  id: string,
  which: 'failed' | 'not_run' | 'all',
  idempotencyKey: string,
): Promise<Job> =>
  sendJson(inOrg(org, `jobs/${id}/retry`), { method: 'POST', body: { which }, idempotencyKey });
export const fetchGroups = (org: string, id: string, signal: AbortSignal): Promise<OutputGroups> =>
  sendJson(inOrg(org, `jobs/${id}/groups`), { signal });

export const jobEventsPath = (org: string, id: string): string => inOrg(org, `jobs/${id}/events`);
export const outputPath = (
  org: string,
  commandId: string,
  stream: Stream,
  offset: number,
  limit: number,
): string => inOrg(org, `commands/${commandId}/output?stream=${stream}&offset=${offset}&limit=${limit}`);

export const fetchRecordings = (
  org: string,
  agent: string | undefined,
  cursor: string | null,
): Promise<{ items: Recording[]; next_cursor: string | null }> => {
  const query = new URLSearchParams({ limit: '50' });
  if (agent !== undefined) query.set('agent', agent);
  if (cursor !== null) query.set('cursor', cursor);
  return sendJson(inOrg(org, `recordings?${query}`));
};
export const fetchRecording = (org: string, id: string, signal: AbortSignal): Promise<Recording> =>
  sendJson(inOrg(org, `recordings/${id}`), { signal });
export const castPath = (org: string, id: string): string => inOrg(org, `recordings/${id}/cast`);
export const fetchCast = async (org: string, id: string, signal: AbortSignal): Promise<string> =>
  (await send(castPath(org, id), { signal })).text();
export const deleteRecording = (org: string, id: string): Promise<Response> =>
  send(inOrg(org, `recordings/${id}`), { method: 'DELETE' });
