import { z } from 'zod';
import { renderUserData } from '../../../cloud-init/render.ts';
import {
  apiTokenListSchema,
  createApiTokenRequestSchema,
  createApiTokenResponseSchema,
  createTokenRequestSchema,
  createTokenResponseSchema,
  tokenAgentListSchema,
  tokenListSchema,
} from '../../../protocol/rest-fleet.ts';
import { longListQuerySchema } from '../../../protocol/rest-pages.ts';
import type { ApiTokens } from '../../tenancy/api-tokens.ts';
import {
  type EnrollmentAddress,
  oneLiner,
  pulumiProgram,
  setupCommand,
} from '../../tenancy/enrollment-lines.ts';
import type { ProvisioningTokens } from '../../tenancy/provisioning-tokens.ts';
import { pageAnswer, pageOf } from '../page.ts';
import { defineRoute, type Route } from '../route.ts';

const ORG = '/api/v1/organizations/{org}';
const idParams = z.object({ id: z.string().max(64) });

/** Provisioning tokens enroll machines; API tokens are for programs. */
export function tokenRoutes(options: {
  provisioningTokens: ProvisioningTokens;
  apiTokens: ApiTokens;
  /** Where machines go. */
  address: () => EnrollmentAddress;
  /** SHA-256 of the bootstrap script, hex; undefined where there is none. */
  setupSha256: () => Promise<string | undefined>;
}): Route[] {
  const { provisioningTokens, apiTokens, address, setupSha256 } = options;
  return [
    defineRoute({
      method: 'POST',
      path: `${ORG}/provisioning-tokens`,
      summary: 'Create a provisioning token, and the line that enrolls a machine with it',
      auth: 'user',
      needs: 'provisioning.write',
      body: createTokenRequestSchema,
      response: createTokenResponseSchema,
      successStatus: 201,
      async handler({ caller, org, body, request }) {
        const made = await provisioningTokens.create({
          organizationId: org.id,
          limits: body,
          actor: caller.actor,
          address: request.address,
        });
        const sha256 = await setupSha256();
        const userData = renderUserData({
          url: address().origin,
          token: made.token,
          // User-data of a group outlives releases of the orchestrator, and with them that script.
          ...(body.uses > 1 || sha256 === undefined ? {} : { setupSha256: sha256 }),
        });
        return {
          ...made,
          server_url: address().origin,
          ...(sha256 === undefined ? {} : { setup_sha256: sha256 }),
          one_liner: oneLiner(address(), made.token),
          user_one_liner: oneLiner(address(), made.token, { user: true }),
          setup_command: setupCommand(address(), made.token),
          user_data: userData,
          pulumi: pulumiProgram(userData),
        };
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/provisioning-tokens`,
      summary: 'Provisioning tokens, the newest first',
      auth: 'user',
      needs: 'provisioning.read',
      query: longListQuerySchema,
      response: tokenListSchema,
      handler: async ({ org, query }) => pageAnswer(await provisioningTokens.list(org.id, pageOf(query))),
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/provisioning-tokens/{id}/agents`,
      summary: 'Agents that enrolled with a token, the newest first',
      auth: 'user',
      needs: 'provisioning.read',
      params: idParams,
      query: longListQuerySchema,
      response: tokenAgentListSchema,
      handler: async ({ org, params, query }) =>
        pageAnswer(await provisioningTokens.agentsOf(org.id, params.id, pageOf(query))),
    }),
    defineRoute({
      method: 'DELETE',
      path: `${ORG}/provisioning-tokens/{id}`,
      summary: 'Revoke a provisioning token; machines that it enrolled stay',
      auth: 'user',
      needs: 'provisioning.write',
      params: idParams,
      async handler({ caller, org, params, request }) {
        const { actor } = caller;
        await provisioningTokens.revoke({
          organizationId: org.id,
          id: params.id,
          actor,
          address: request.address,
        });
        return undefined;
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${ORG}/api-tokens`,
      summary: 'Create an API token for this organization',
      auth: 'user',
      needs: 'api_tokens.write',
      body: createApiTokenRequestSchema,
      response: createApiTokenResponseSchema,
      successStatus: 201,
      handler: ({ caller, org, body, request }) =>
        apiTokens.create({
          organizationId: org.id,
          wanted: body,
          granter: { role: org.role, permissions: org.permissions, systemAdmin: caller.systemAdmin },
          actor: caller.actor,
          address: request.address,
        }),
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/api-tokens`,
      summary: 'API tokens of this organization, without their secrets',
      auth: 'user',
      needs: 'api_tokens.read',
      query: longListQuerySchema,
      response: apiTokenListSchema,
      handler: async ({ org, query }) => pageAnswer(await apiTokens.list(org.id, pageOf(query))),
    }),
    defineRoute({
      method: 'DELETE',
      path: `${ORG}/api-tokens/{id}`,
      summary: 'Revoke an API token',
      auth: 'user',
      needs: 'api_tokens.write',
      params: idParams,
      async handler({ caller, org, params, request }) {
        const { actor, systemAdmin } = caller;
        const { address } = request;
        await apiTokens.revoke({
          organizationId: org.id,
          id: params.id,
          granter: { systemAdmin },
          actor,
          address,
        });
        return undefined;
      },
    }),
  ];
}
