import type { Stream } from '../../../protocol/command.ts';
import type {
  Agent,
  CreateTokenRequest,
  CreateTokenResponse,
  ProvisioningTokenInfo,
  Whoami,
} from '../../../protocol/rest-fleet.ts';
import type { CreateJobRequest, Job, JobWithCommands } from '../../../protocol/rest-jobs.ts';
import type { Recording } from '../../../protocol/rest-terminals.ts';
import { send, sendJson } from './api.ts';

/** A fleet is read in pages; more machines than this are not drawn in one list anyway. */
const MAX_PAGES = 20;
const PAGE_SIZE = 500;

export const fetchSession = (): Promise<Whoami> => sendJson('/api/v1/session');
export const logIn = (username: string, password: string): Promise<Whoami> =>
  sendJson('/api/v1/session', { method: 'POST', body: { username, password } });
export const logOut = (): Promise<Response> => send('/api/v1/session', { method: 'DELETE' });

const inOrg = (org: string, path: string): string => `/api/v1/organizations/${org}/${path}`;

export async function fetchAgents(org: string, signal: AbortSignal): Promise<Agent[]> {
  const agents: Agent[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = `?limit=${PAGE_SIZE}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
    const list: { items: Agent[]; next_cursor: string | null } = await sendJson(
      inOrg(org, `agents${query}`),
      { signal },
    );
    agents.push(...list.items);
    cursor = list.next_cursor;
    if (cursor === null) break;
  }
  return agents;
}

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
