import { type Clock, isoTime } from '../../../base/clock.ts';
import {
  ownStatusSchema,
  registerRequestSchema,
  registerResponseSchema,
  renewRequestSchema,
  renewResponseSchema,
} from '../../../protocol/rest-registration.ts';
import type { Authority } from '../../ca/authority.ts';
import type { Registration } from '../../registration/register.ts';
import type { Renew } from '../../registration/renew.ts';
import type { Agents } from '../../tenancy/agents.ts';
import { defineRoute, type Route } from '../route.ts';

/** What a machine asks: to be enrolled, to get its next certificate, how it is seen, and to be forgotten. */
export function registrationRoutes(options: {
  authority: Authority;
  registration: Registration;
  renew: Renew;
  agents: Agents;
  clock: Clock;
}): Route[] {
  const { authority, registration, renew, agents, clock } = options;
  return [
    defineRoute({
      method: 'POST',
      path: '/api/v1/agents/register',
      summary: 'Enroll a machine with a provisioning token',
      auth: 'none',
      body: registerRequestSchema,
      response: registerResponseSchema,
      successStatus: 201,
      otherStatuses: { 200: 'The same key had enrolled before' },
      async handler({ body, request, reply }) {
        if (body.csr !== undefined) {
          reply.header('deprecation', 'true');
          reply.header('warning', '299 - "csr is deprecated, send csr_base64"');
        }
        const { created, response } = await registration.register(body, request.address);
        if (!created) reply.status(200);
        return response;
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/agents/{vm_id}/renew',
      summary: 'A new certificate for a new key',
      auth: 'agent',
      body: renewRequestSchema,
      response: renewResponseSchema,
      handler: ({ agent, body, request }) =>
        renew({ agent, csr: Buffer.from(body.csr_base64, 'base64'), address: request.address }),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/agents/{vm_id}/status',
      summary: 'How the orchestrator sees the agent that asks',
      auth: 'agent',
      response: ownStatusSchema,
      async handler({ agent }) {
        const seen = await agents.get(agent.organizationId, agent.agentId);
        return { ...seen, server_time: isoTime(clock.now()) };
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: '/api/v1/agents/{vm_id}',
      summary:
        'The agent that asks is being removed: its certificates, its connection and its open commands end',
      auth: 'agent',
      async handler({ agent, request }) {
        await agents.deregister({
          organizationId: agent.organizationId,
          id: agent.agentId,
          actor: { type: 'agent', id: agent.agentId, name: agent.vmId },
          address: request.address,
        });
        return undefined;
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/ca-certificate',
      summary: 'The certificates of this orchestrator’s CA, root first',
      auth: 'none',
      raw: { contentType: 'application/x-pem-file', description: 'PEM' },
      async handler() {
        const { certificates } = await authority.bundle();
        return { headers: { 'content-type': 'application/x-pem-file' }, body: certificates.join('') };
      },
    }),
  ];
}
