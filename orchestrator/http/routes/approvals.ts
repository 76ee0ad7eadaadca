import { z } from 'zod';
import { type Clock, every } from '../../../base/clock.ts';
import { approvalIdSchema, approvalRuleIdSchema } from '../../../protocol/ids.ts';
import {
  approvalDetailSchema,
  approvalListQuerySchema,
  approvalListSchema,
  approvalRuleDefinitionSchema,
  approvalRuleListSchema,
  approvalRuleSchema,
  approveRequestSchema,
  denyRequestSchema,
} from '../../../protocol/rest-approvals.ts';
import { longListQuerySchema } from '../../../protocol/rest-pages.ts';
import type { Approvals } from '../../approvals/approvals.ts';
import { countPending, listApprovals, showApproval, type Viewer } from '../../approvals/read.ts';
import type { ApprovalRules } from '../../approvals/rules.ts';
import type { Bus } from '../../hub/bus.ts';
import type { Store } from '../../store/store.ts';
import type { Caller, OrganizationAccess } from '../auth.ts';
import type { LiveAccess } from '../live-access.ts';
import { pageAnswer, pageOf } from '../page.ts';
import { defineRoute, type Route } from '../route.ts';
import { eventStream, sseEvent } from '../sse.ts';

const ORG = '/api/v1/organizations/{org}';
const params = z.object({ id: approvalIdSchema });
const ruleParams = z.object({ id: approvalRuleIdSchema });

/** A comment at least this often, and a look at the store in case a hint was lost. */
const LOOK_MS = 5000;

const viewerOf = (caller: Caller, org: OrganizationAccess): Viewer => ({
  actor: caller.actor,
  mayDecide: org.permissions.has('approvals.decide'),
});

/** Jobs that wait for another person, and the rules by which they do. */
export function approvalRoutes(options: {
  store: Store;
  approvals: Approvals;
  rules: ApprovalRules;
  bus: Bus;
  clock: Clock;
  access: Pick<LiveAccess, 'watch'>;
  stopping: AbortSignal;
}): Route[] {
  const { store, approvals, rules, bus, clock, access, stopping } = options;

  /** How many wait, now and whenever that changes. */
  async function* counts(organizationId: string, signal: AbortSignal): AsyncGenerator<string, void, void> {
    let wake: () => void = () => undefined;
    let rung = true;
    const ring = () => {
      rung = true;
      wake();
    };
    const unsubscribe = bus.subscribe((hint) => {
      if ('organization_id' in hint && hint.organization_id === organizationId && hint.topic !== 'job')
        ring();
    });
    const timer = every(clock, LOOK_MS, ring);
    signal.addEventListener('abort', ring, { once: true });
    try {
      while (!signal.aborted) {
        if (!rung)
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        rung = false;
        if (signal.aborted) return;
        yield sseEvent({ type: 'approvals', pending: await countPending(store.db, organizationId) });
      }
    } finally {
      unsubscribe();
      timer.cancel();
    }
  }

  return [
    defineRoute({
      method: 'GET',
      path: `${ORG}/approvals`,
      summary: 'Approvals that wait, or all, the newest first',
      auth: 'user',
      needs: 'approvals.read',
      query: approvalListQuerySchema,
      response: approvalListSchema,
      handler: ({ org, caller, query }) => listApprovals(store.db, org.id, viewerOf(caller, org), query),
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/approvals/events`,
      summary: 'How many approvals wait, as Server-Sent Events: now, and whenever it may have changed',
      auth: 'user',
      needs: 'approvals.read',
      raw: { contentType: 'text/event-stream', description: 'Events: approvals {pending}' },
      handler({ caller, org, closed }) {
        const signal = access.watch({
          caller,
          organizationId: org.id,
          needs: 'approvals.read',
          signal: AbortSignal.any([closed, stopping]),
        });
        return eventStream(counts(org.id, signal), { what: 'approvals that wait', clock });
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/approvals/{id}`,
      summary: 'Read an approval: what is to be done, on which machines, and the bytes that approvers sign',
      auth: 'user',
      needs: 'approvals.read',
      params,
      response: approvalDetailSchema,
      handler: ({ org, caller, params: { id } }) => showApproval(store.db, org.id, viewerOf(caller, org), id),
    }),
    defineRoute({
      method: 'POST',
      path: `${ORG}/approvals/{id}/approve`,
      summary: 'Approve it, as another person than who asked; the last approval lets the job go',
      auth: 'user',
      needs: 'approvals.decide',
      params,
      body: approveRequestSchema,
      response: approvalDetailSchema,
      async handler({ org, caller, request, params: { id }, body }) {
        const { actor } = caller;
        const { role } = org;
        await approvals.approve({ organizationId: org.id, id, actor, role, address: request.address, body });
        return showApproval(store.db, org.id, viewerOf(caller, org), id);
      },
    }),
    defineRoute({
      method: 'POST',
      path: `${ORG}/approvals/{id}/deny`,
      summary: 'Deny it; the job ends and nothing is run',
      auth: 'user',
      needs: 'approvals.decide',
      params,
      body: denyRequestSchema,
      response: approvalDetailSchema,
      async handler({ org, caller, request, params: { id }, body: { comment } }) {
        const { actor } = caller;
        const { role } = org;
        await approvals.deny({ organizationId: org.id, id, actor, role, address: request.address, comment });
        return showApproval(store.db, org.id, viewerOf(caller, org), id);
      },
    }),
    defineRoute({
      method: 'GET',
      path: `${ORG}/approval-rules`,
      summary: 'Rules that say which jobs wait for another person',
      auth: 'user',
      needs: 'approvals.read',
      query: longListQuerySchema,
      response: approvalRuleListSchema,
      handler: async ({ org, query }) => pageAnswer(await rules.list(org.id, pageOf(query))),
    }),
    defineRoute({
      method: 'POST',
      path: `${ORG}/approval-rules`,
      summary: 'Add an approval rule; it holds from the next job on',
      auth: 'user',
      needs: 'approval_rules.write',
      body: approvalRuleDefinitionSchema,
      response: approvalRuleSchema,
      successStatus: 201,
      handler: ({ org, caller, request, body }) =>
        rules.create({ organizationId: org.id, actor: caller.actor, address: request.address, body }),
    }),
    defineRoute({
      method: 'PUT',
      path: `${ORG}/approval-rules/{id}`,
      summary: 'Replace an approval rule',
      auth: 'user',
      needs: 'approval_rules.write',
      params: ruleParams,
      body: approvalRuleDefinitionSchema,
      response: approvalRuleSchema,
      handler: ({ org, caller, request, params: { id }, body }) =>
        rules.replace({ organizationId: org.id, id, actor: caller.actor, address: request.address, body }),
    }),
    defineRoute({
      method: 'DELETE',
      path: `${ORG}/approval-rules/{id}`,
      summary: 'Remove an approval rule; approvals that wait keep what they needed',
      auth: 'user',
      needs: 'approval_rules.write',
      params: ruleParams,
      async handler({ org, caller, request, params: { id } }) {
        await rules.remove({ organizationId: org.id, id, actor: caller.actor, address: request.address });
        return undefined;
      },
    }),
  ];
}
