import { z } from 'zod';
import {
  revokeAgentsRequestSchema,
  revokeCertificateRequestSchema,
  revokedAgentsSchema,
  revokedCertificateSchema,
} from '../../../protocol/rest-certificates.ts';
import {
  agentListSchema,
  agentSchema,
  changeAgentRequestSchema,
  listAgentsQuerySchema,
} from '../../../protocol/rest-fleet.ts';
import type { Agents } from '../../tenancy/agents.ts';
import { pageAnswer, pageOf } from '../page.ts';
import { defineRoute, type Route } from '../route.ts';

const PATH = '/api/v1/organizations/{org}/agents';
const idParams = z.object({ id: z.string().max(128).describe('agent_id, or the vm_id of a live agent') });

export function agentRoutes(options: { agents: Agents }): Route[] {
  const { agents } = options;
  return [
    defineRoute({
      method: 'GET',
      path: PATH,
      summary: 'Agents that a selector and a search match, page by page',
      auth: 'user',
      needs: 'agents.read',
      query: listAgentsQuerySchema,
      response: agentListSchema,
      async handler({ org, query }) {
        const page = await agents.list({
          organizationId: org.id,
          selector: query.selector,
          ...pageOf(query),
          includeRevoked: query.revoked === 'true',
          words: query.q.split(/\s+/).filter((word) => word !== ''),
          state: query.state,
          sort: query.sort,
        });
        return pageAnswer(page);
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${PATH}/{id}`,
      summary: 'One agent',
      auth: 'user',
      needs: 'agents.read',
      params: idParams,
      response: agentSchema,
      handler: ({ org, params }) => agents.get(org.id, params.id),
    }),
    defineRoute({
      method: 'PATCH',
      path: `${PATH}/{id}`,
      summary: 'Change granted labels of an agent, admit it, or put it into quarantine',
      auth: 'user',
      needs: 'agents.write',
      params: idParams,
      body: changeAgentRequestSchema,
      response: agentSchema,
      handler: ({ caller, org, params, request, body }) =>
        agents.change({
          organizationId: org.id,
          id: params.id,
          actor: caller.actor,
          address: request.address,
          changes: body,
        }),
    }),
    defineRoute({
      method: 'DELETE',
      path: `${PATH}/{id}`,
      summary: 'Revoke an agent: its certificates, its connection and its open commands end',
      auth: 'user',
      needs: 'agents.write',
      params: idParams,
      async handler({ caller, org, params, request }) {
        const { actor } = caller;
        await agents.revoke({ organizationId: org.id, id: params.id, actor, address: request.address });
        return undefined;
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${PATH}/revoke`,
      summary: 'Revoke every agent that a selector means',
      auth: 'user',
      needs: 'agents.write',
      body: revokeAgentsRequestSchema,
      response: revokedAgentsSchema,
      async handler({ caller, org, body, request }) {
        const { actor } = caller;
        const { address } = request;
        const { selector } = body;
        return { revoked: await agents.revokeAll({ organizationId: org.id, selector, actor, address }) };
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/organizations/{org}/certificates/{certificate}/revoke',
      summary:
        'Revoke one certificate of an agent: what is connected with it is cut, its key gets no other one',
      auth: 'user',
      needs: 'agents.write',
      params: z.object({
        certificate: z
          .string()
          .regex(/^[0-9a-fA-F:]{8,128}$/)
          .describe('Its SHA-256 fingerprint or serial number, in hex'),
      }),
      body: revokeCertificateRequestSchema,
      response: revokedCertificateSchema,
      handler: ({ caller, org, params, body, request }) =>
        agents.revokeCertificate({
          organizationId: org.id,
          id: params.certificate,
          reason: body.reason,
          actor: caller.actor,
          address: request.address,
        }),
    }),
  ];
}
