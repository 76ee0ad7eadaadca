import type { Tenant } from './world.ts';

/**
 * One row for each path parameter of the route table: the segment before it and its name. It gives the identifier of an
 * object that this tenant has. A route with a parameter that has no row fails the matrix: add the row, and make the
 * object in {@link Tenant} if there is none yet.
 */
export const EXAMPLES: Readonly<Record<string, (tenant: Tenant) => string>> = {
  'organizations/{org}': (tenant) => tenant.id,
  'agents/{id}': (tenant) => tenant.agentId,
  'agents/{vm_id}': (tenant) => tenant.vmId,
  'jobs/{id}': (tenant) => tenant.jobId,
  'commands/{id}': (tenant) => tenant.commandId,
  'provisioning-tokens/{id}': (tenant) => tenant.provisioningTokenId,
  'api-tokens/{id}': (tenant) => tenant.apiTokenId,
  'users/{id}': (tenant) => tenant.userIds.viewer,
  'sessions/{id}': (tenant) => tenant.sessionId,
  'artifacts/{name}': () => 'manifest.json',
};

/**
 * What a request needs to get past its schemas to where its object is looked up. A route whose body or query may not be
 * empty, and that names an object in its path, fails the matrix without a row here.
 */
export const REQUESTS: Readonly<Record<string, { body?: unknown; query?: string }>> = {
  'PATCH /api/v1/organizations/{org}/users/{id}': { body: { role: 'viewer' } },
};

/** `agents/{id}` for each parameter of a path. */
export const parametersOf = (path: string): string[] =>
  [...path.matchAll(/([^/]+)\/\{(\w+)\}/g)].map(([, noun, name]) => `${noun}/{${name}}`);

/** The path with the tenant’s own objects in it. */
export const pathOf = (path: string, example: (parameter: string) => string): string =>
  path.replace(/([^/]+)\/\{(\w+)\}/g, (_, noun, name) => `${noun}/${example(`${noun}/{${name}}`)}`);
