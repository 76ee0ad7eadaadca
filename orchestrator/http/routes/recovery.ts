import { z } from 'zod';
import { agentIdSchema } from '../../../protocol/ids.ts';
import { recoveryRuleSchema } from '../../../protocol/rest-fleet.ts';
import {
  recoverRequestSchema,
  recoverResponseSchema,
  recoveryNonceSchema,
} from '../../../protocol/rest-registration.ts';
import type { Recovery } from '../../registration/recover.ts';
import type { RecoveryRules } from '../../tenancy/recovery-rule.ts';
import { defineRoute, type Route } from '../route.ts';

const AGENT = '/api/v1/agents/{agent_id}';
const RULE = '/api/v1/organizations/{org}/recovery';
const params = z.object({ agent_id: agentIdSchema });

/**
 * The way back of a machine whose certificate ended. It comes without a client certificate, since TLS takes no ended
 * one; what it proves stands in the request.
 */
export function recoveryRoutes(options: { recovery: Recovery; rules: RecoveryRules }): Route[] {
  const { recovery, rules } = options;
  return [
    defineRoute({
      method: 'GET',
      path: `${AGENT}/recovery-nonce`,
      summary: 'A nonce for a machine whose certificate ended; the same for agents that do not exist',
      auth: 'none',
      params,
      response: recoveryNonceSchema,
      handler({ params, request, reply }) {
        reply.header('cache-control', 'no-store');
        return recovery.nonce(params.agent_id, request.address);
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${AGENT}/recover`,
      summary: 'Come back with an ended certificate and a proof of its key',
      auth: 'none',
      params,
      body: recoverRequestSchema,
      response: recoverResponseSchema,
      otherStatuses: { 202: 'An operator must admit it; ask again' },
      async handler({ params, body, request, reply }) {
        const answer = await recovery.recover({ agentId: params.agent_id, body, address: request.address });
        if (answer.state !== 'active') reply.status(202);
        return answer;
      },
    }),
    defineRoute({
      method: 'GET',
      path: RULE,
      summary: 'Whether machines whose certificate ended are let in by themselves',
      auth: 'user',
      needs: 'organization.read',
      response: recoveryRuleSchema,
      handler: ({ org }) => rules.get(org.id),
    }),
    defineRoute({
      method: 'PUT',
      path: RULE,
      summary: 'Say whether machines whose certificate ended are let in by themselves',
      auth: 'user',
      needs: 'organization.write',
      body: recoveryRuleSchema,
      response: recoveryRuleSchema,
      handler: ({ caller, org, body, request }) =>
        rules.set({ organizationId: org.id, rule: body, actor: caller.actor, address: request.address }),
    }),
  ];
}
