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
import { send, sendJson } from './api.ts';

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

export async function fetchTokens(org: string, signal: AbortSignal): Promise<ProvisioningTokenInfo[]> {
  const list: { items: ProvisioningTokenInfo[] } = await sendJson(inOrg(org, 'provisioning-tokens'), {
    signal,
  });
  return list.items;
}
export const createToken = (
  org: string,
  body: CreateTokenRequest,
  idempotencyKey: string,
): Promise<CreateTokenResponse> =>
  sendJson(inOrg(org, 'provisioning-tokens'), { method: 'POST', body, idempotencyKey });
export const revokeToken = (org: string, id: string): Promise<Response> =>
  send(inOrg(org, `provisioning-tokens/${id}`), { method: 'DELETE' });

export const fetchJobs = (
  org: string,
  cursor: string | null,
  signal?: AbortSignal,
): Promise<{ items: Job[]; next_cursor: string | null }> =>
  sendJson(
    inOrg(org, cursor === null ? 'jobs' : `jobs?cursor=${encodeURIComponent(cursor)}`),
    signal === undefined ? {} : { signal },
  );
export const fetchJob = (org: string, id: string, signal?: AbortSignal): Promise<JobWithCommands> =>
  sendJson(inOrg(org, `jobs/${id}`), signal === undefined ? {} : { signal });
export const createJob = (org: string, body: CreateJobRequest, idempotencyKey: string): Promise<Job> =>
  sendJson(inOrg(org, 'jobs'), { method: 'POST', body, idempotencyKey });
export const cancelJob = (org: string, id: string, idempotencyKey: string): Promise<Response> =>
  send(inOrg(org, `jobs/${id}/cancel`), { method: 'POST', idempotencyKey });

export const jobEventsPath = (org: string, id: string): string => inOrg(org, `jobs/${id}/events`);
export const outputPath = (
  org: string,
  commandId: string,
  stream: Stream,
  offset: number,
  limit: number,
): string => inOrg(org, `commands/${commandId}/output?stream=${stream}&offset=${offset}&limit=${limit}`);
