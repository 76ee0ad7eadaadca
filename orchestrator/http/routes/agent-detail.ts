import { z } from 'zod';
import { certificateListSchema } from '../../../protocol/rest-calls.ts';
import { metricsQuerySchema, metricsSchema } from '../../../protocol/rest-metrics.ts';
import { longListQuerySchema } from '../../../protocol/rest-pages.ts';
import type { MetricsHistory } from '../../metrics/history.ts';
import type { Store } from '../../store/store.ts';
import { listCertificates } from '../../tenancy/agent-certificates.ts';
import type { Agents } from '../../tenancy/agents.ts';
import { pageAnswer, pageOf } from '../page.ts';
import { defineRoute, type Route } from '../route.ts';

const AGENT = '/api/v1/organizations/{org}/agents/{id}';
const params = z.object({ id: z.string().max(128).describe('agent_id, or the vm_id of a live agent') });

export function agentDetailRoutes(options: {
  agents: Agents;
  metrics: MetricsHistory;
  store: Store;
}): Route[] {
  const { agents, metrics, store } = options;
  return [
    defineRoute({
      method: 'GET',
      path: `${AGENT}/metrics`,
      summary: 'What an agent’s heartbeats told of its load, for at most 7 days',
      auth: 'user',
      needs: 'metrics.read',
      params,
      query: metricsQuerySchema,
      response: metricsSchema,
      async handler({ org, params: { id }, query }) {
        const { agent_id: agentId } = await agents.get(org.id, id);
        return metrics.read({ organizationId: org.id, agentId }, query);
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${AGENT}/certificates`,
      summary: 'The certificates that an agent was given, the newest first',
      auth: 'user',
      needs: 'agents.read',
      params,
      query: longListQuerySchema,
      response: certificateListSchema,
      async handler({ org, params: { id }, query }) {
        const { agent_id, vm_id } = await agents.get(org.id, id);
        const page = await listCertificates(store.db, org.id, agent_id, pageOf(query));
        return { agent_id, vm_id, ...pageAnswer(page) };
      },
    }),
  ];
}
