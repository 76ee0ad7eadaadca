import type { DownloadFile, EditFile, ListDirectory, WriteFile } from '../../../protocol/file-tools.ts';
import type { TailLog } from '../../../protocol/log-tools.ts';
import type { AgentCommand, CallResult, CertificateInfo } from '../../../protocol/rest-calls.ts';
import type { Agent, ChangeAgentRequest } from '../../../protocol/rest-fleet.ts';
import type { Metrics } from '../../../protocol/rest-metrics.ts';
import type { ProcessList } from '../../../protocol/system.ts';
import { DOWNLOAD_PIECE_BYTES } from '../../../protocol/transfer.ts';
import { ApiError, fetchAll, send, sendJson } from './api.ts';

/** One agent of one organization, as everything on its page names it. */
export interface AgentRef {
  org: string;
  id: string;
}

interface Tools {
  get_process_list: ProcessList;
  list_directory: ListDirectory;
  download_file: DownloadFile;
  write_file: WriteFile;
  edit_file: EditFile;
  tail_log: TailLog;
  analyze_log_file: Record<string, unknown>;
  make_directory: { path: string };
  move_file: { path: string };
  delete_file: { path: string };
}

export const agentPath = ({ org, id }: AgentRef, path = ''): string =>
  `/api/v1/organizations/${org}/agents/${id}${path}`;

/** Calls a tool and gives its answer. @throws ApiError: the orchestrator's, or what the agent said no with. */
export async function callTool<T extends keyof Tools>(
  agent: AgentRef,
  tool: T,
  args: Record<string, unknown>,
  options: { signal?: AbortSignal; wait?: number } = {},
): Promise<Tools[T]> {
  const { signal, wait } = options;
  const result: CallResult = await sendJson(
    agentPath(agent, `/tools/${tool}${wait === undefined ? '' : `?wait=${wait}`}`),
    { method: 'POST', body: args, ...(signal === undefined ? {} : { signal }) },
  );
  if (result.value !== null) return result.value as unknown as Tools[T];
  const { code, message, hint } = result.error ?? {};
  throw new ApiError(422, {
    detail: message ?? `The call ended as ${result.state}.`,
    ...(code === undefined ? {} : { code }),
    ...(hint === undefined ? {} : { hint }),
  });
}

export const changeAgent = (agent: AgentRef, body: ChangeAgentRequest): Promise<Agent> =>
  sendJson(agentPath(agent), { method: 'PATCH', body });

export const fetchMetrics = (
  agent: AgentRef,
  range: { from: number; to: number },
  signal: AbortSignal,
): Promise<Metrics> =>
  sendJson(agentPath(agent, `/metrics?from=${Math.floor(range.from)}&to=${Math.floor(range.to)}`), {
    signal,
  });

export const fetchCommands = (
  agent: AgentRef,
  options: { cursor: string | null; origin: string },
  signal?: AbortSignal,
): Promise<{ items: AgentCommand[]; next_cursor: string | null }> => {
  const query = new URLSearchParams({ limit: '50' });
  if (options.cursor !== null) query.set('cursor', options.cursor);
  if (options.origin !== '') query.set('origin', options.origin);
  return sendJson(agentPath(agent, `/commands?${query}`), signal === undefined ? {} : { signal });
};

export const fetchCertificates = (agent: AgentRef, signal: AbortSignal): Promise<CertificateInfo[]> =>
  fetchAll(agentPath(agent, '/certificates'), signal);

export interface AuditEvent {
  id: number;
  at: string;
  action: string;
  actor: { type: string; id: string; name: string };
  address: string | null;
  target: string | null;
  detail: Record<string, unknown>;
}
/** Events that are about this agent, newest first. */
export const fetchAudit = (
  agent: AgentRef,
  cursor: string | null,
  signal?: AbortSignal,
): Promise<{ items: AuditEvent[]; next_cursor: string | null }> => {
  const query = new URLSearchParams({ limit: '50', target: agent.id });
  if (cursor !== null) query.set('cursor', cursor);
  return sendJson(
    `/api/v1/organizations/${agent.org}/audit?${query}`,
    signal === undefined ? {} : { signal },
  );
};

/** A link that the browser's own downloads take, with their progress and resumption. */
export const downloadLink = (agent: AgentRef, path: string): string =>
  agentPath(agent, `/files/content?path=${encodeURIComponent(path)}`);

export interface LoadedFile extends Omit<DownloadFile, 'content'> {
  bytes: Uint8Array<ArrayBuffer>;
}

/** The beginning of a file, up to `limit` bytes. */
export async function loadFile(
  agent: AgentRef,
  path: string,
  limit: number,
  signal?: AbortSignal,
): Promise<LoadedFile> {
  const args = { file_path: path, limit: Math.min(limit, DOWNLOAD_PIECE_BYTES) };
  const { content, ...rest } = await callTool(
    agent,
    'download_file',
    args,
    signal === undefined ? {} : { signal },
  );
  return { ...rest, bytes: Uint8Array.from(atob(content), (character) => character.charCodeAt(0)) };
}

export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const abortUpload = (agent: AgentRef, uploadId: string, path: string): Promise<Response> =>
  send(agentPath(agent, `/files/uploads/${uploadId}?path=${encodeURIComponent(path)}`), { method: 'DELETE' });
