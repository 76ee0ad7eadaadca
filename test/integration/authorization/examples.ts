import type { Role } from '../../../protocol/roles.ts';

/** What an organization of the matrix has. */
export interface TenantObjects {
  id: string;
  agentId: string;
  /** Fingerprint of its agent's certificate. */
  certificate: string;
  vmId: string;
  jobId: string;
  commandId: string;
  /** Of a job that waits for it. */
  approvalId: string;
  /** Of a terminal that has ended. */
  recordingId: string;
  /** What {@link MADE} asks for, by its keys. */
  made: Readonly<Record<string, string>>;
  userIds: Record<Role, string>;
  sessionId: string;
}

/**
 * Objects that each tenant gets, made by a POST below its organization whose answer has the `id`. The key is that of
 * the path parameter that it is an example for: the segment before it, and its name. `canary` must not be read by
 * others; put it into a name or a text.
 */
export const MADE: Readonly<Record<string, { path: string; body: (canary: string) => unknown }>> = {
  'provisioning-tokens/{id}': {
    path: 'provisioning-tokens',
    body: (canary) => ({ description: `token ${canary}` }),
  },
  'api-tokens/{id}': { path: 'api-tokens', body: (canary) => ({ name: `api ${canary}`, role: 'viewer' }) },
  'schedules/{id}': {
    path: 'schedules',
    body: (canary) => ({
      name: `schedule-${canary}`,
      cron: '0 3 * * *',
      job: { selector: 'all', arguments: { command: `echo ${canary}` } },
    }),
  },
  'saved-commands/{id}': {
    path: 'saved-commands',
    body: (canary) => ({ name: `saved-${canary}`, command: `echo ${canary}` }),
  },
  'approval-rules/{id}': {
    path: 'approval-rules',
    body: (canary) => ({ name: `rule ${canary}`, commands: [`*wait for ${canary}*`] }),
  },
  'locks/{id}': {
    path: 'locks',
    body: (canary) => ({ target_type: 'tool', target: 'no_such_tool', reason: `lock ${canary}` }),
  },
};

/**
 * The other path parameters: what the tenant has already. A route with a parameter that is in neither table fails the
 * matrix; add the row.
 */
const PRESENT: Readonly<Record<string, (tenant: TenantObjects) => string>> = {
  'organizations/{org}': (tenant) => tenant.id,
  'agents/{id}': (tenant) => tenant.agentId,
  'agents/{vm_id}': (tenant) => tenant.vmId,
  'agents/{agent_id}': (tenant) => tenant.agentId,
  'certificates/{certificate}': (tenant) => tenant.certificate,
  'jobs/{id}': (tenant) => tenant.jobId,
  'commands/{id}': (tenant) => tenant.commandId,
  'approvals/{id}': (tenant) => tenant.approvalId,
  'recordings/{id}': (tenant) => tenant.recordingId,
  'terminals/{id}': (tenant) => tenant.recordingId,
  'users/{id}': (tenant) => tenant.userIds.viewer,
  'sessions/{id}': (tenant) => tenant.sessionId,
  'restores/{id}': () => 'rst-01hzzzzzzzzzzzzzzzzzzzzzzz',
  'tools/{tool}': () => 'get_process_list',
  'uploads/{upload_id}': () => 'ab'.repeat(16),
  'artifacts/{name}': () => 'manifest.json',
};

export const exampleOf = (parameter: string, tenant: TenantObjects): string | undefined =>
  PRESENT[parameter]?.(tenant) ?? tenant.made[parameter];

/**
 * What a request needs to get past its schemas to where its object is looked up. A route whose body or query may not be
 * empty, and that names an object in its path, fails the matrix without a row here.
 */
export const REQUESTS: Readonly<Record<string, { body?: unknown; query?: string }>> = {
  'PATCH /api/v1/organizations/{org}/users/{id}': { body: { role: 'viewer' } },
  'GET /api/v1/organizations/{org}/audit/proof': { query: '?seq=1' },
  'GET /api/v1/organizations/{org}/agents/{id}/files/content': { query: '?path=/etc/hostname' },
  'POST /api/v1/organizations/{org}/agents/{id}/files/uploads': { body: { path: '/tmp/x', size: 1 } },
  'PUT /api/v1/organizations/{org}/agents/{id}/files/uploads/{upload_id}': { query: '?path=/tmp/x&offset=0' },
  'POST /api/v1/organizations/{org}/agents/{id}/files/uploads/{upload_id}/finish': {
    body: { path: '/tmp/x', size: 1, sha256: 'ab'.repeat(32) },
  },
  'DELETE /api/v1/organizations/{org}/agents/{id}/files/uploads/{upload_id}': { query: '?path=/tmp/x' },
  'POST /api/v1/organizations/{org}/approvals/{id}/approve': { body: { digest: '0'.repeat(64) } },
  'PUT /api/v1/organizations/{org}/approval-rules/{id}': { body: { name: 'matrix' } },
};

/** Routes that become a WebSocket: a request without an upgrade is told so, when it may know. */
export const UPGRADES: ReadonlySet<string> = new Set([
  'GET /api/v1/organizations/{org}/agents/{id}/terminal',
]);

/** `agents/{id}` for each parameter of a path. */
export const parametersOf = (path: string): string[] =>
  [...path.matchAll(/([^/]+)\/\{(\w+)\}/g)].map(([, noun, name]) => `${noun}/{${name}}`);

/** The path with the tenant’s own objects in it. */
export const pathOf = (path: string, example: (parameter: string) => string): string =>
  path.replace(/([^/]+)\/\{(\w+)\}/g, (_, noun, name) => `${noun}/${example(`${noun}/{${name}}`)}`);
