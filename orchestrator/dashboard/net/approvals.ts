import { useEffect } from 'preact/hooks';
import type {
  Approval,
  ApprovalDetail,
  ApprovalRule,
  ApprovalRuleRequest,
  ApproveRequest,
} from '../../../protocol/rest-approvals.ts';
import type { CreateLockRequest, Lock } from '../../../protocol/rest-locks.ts';
import { fetchAll, send, sendJson } from './api.ts';
import { followEvents } from './event-stream.ts';
import { createSharedFeed } from './shared-feed.ts';
import { createStore, useStore } from './store.ts';

const inOrg = (org: string, path: string): string => `/api/v1/organizations/${org}/${path}`;

export const fetchApprovals = (
  org: string,
  state: 'pending' | 'ended',
  signal: AbortSignal,
): Promise<{ items: Approval[]; pending: number }> =>
  sendJson(inOrg(org, `approvals?state=${state}&limit=100`), { signal });
export const fetchApproval = (org: string, id: string, signal?: AbortSignal): Promise<ApprovalDetail> =>
  sendJson(inOrg(org, `approvals/${id}`), signal === undefined ? {} : { signal });
export const approve = (
  org: string,
  id: string,
  body: ApproveRequest,
  idempotencyKey: string,
): Promise<ApprovalDetail> =>
  sendJson(inOrg(org, `approvals/${id}/approve`), { method: 'POST', body, idempotencyKey });
export const deny = (
  org: string,
  id: string,
  body: { comment: string },
  idempotencyKey: string,
): Promise<ApprovalDetail> =>
  sendJson(inOrg(org, `approvals/${id}/deny`), { method: 'POST', body, idempotencyKey });

export const fetchRules = (org: string, signal: AbortSignal): Promise<ApprovalRule[]> =>
  fetchAll(inOrg(org, 'approval-rules'), signal);
export const addRule = (
  org: string,
  body: ApprovalRuleRequest,
  idempotencyKey: string,
): Promise<ApprovalRule> => sendJson(inOrg(org, 'approval-rules'), { method: 'POST', body, idempotencyKey });
export const replaceRule = (org: string, id: string, body: ApprovalRuleRequest): Promise<ApprovalRule> =>
  sendJson(inOrg(org, `approval-rules/${id}`), { method: 'PUT', body });
export const removeRule = (org: string, id: string): Promise<Response> =>
  send(inOrg(org, `approval-rules/${id}`), { method: 'DELETE' });

export const fetchLocks = (org: string, signal: AbortSignal): Promise<Lock[]> =>
  fetchAll(inOrg(org, 'locks'), signal);
export const addLock = (org: string, body: CreateLockRequest, idempotencyKey: string): Promise<Lock> =>
  sendJson(inOrg(org, 'locks'), { method: 'POST', body, idempotencyKey });
export const removeLock = (org: string, id: string): Promise<Response> =>
  send(inOrg(org, `locks/${id}`), { method: 'DELETE' });

/** How many wait, for the tab and for the list; followed while somebody looks at it. */
const pending = createStore(0);
/** Grows when the list may have changed. */
const changed = createStore(0);
const feed = createSharedFeed({
  reset: () => pending.set(0),
  begin(org, signal) {
    void followEvents<{ type: 'approvals'; pending: number }>({
      path: inOrg(org, 'approvals/events'),
      onEvent: (event) => {
        pending.set(event.pending);
        changed.set(changed.get() + 1);
      },
      onStatus: () => undefined,
      onRefused: () => undefined,
      signal,
    });
  },
});

export function usePendingApprovals(org: string): { pending: number; changed: number } {
  useEffect(() => feed.enter(org), [org]);
  return { pending: useStore(pending), changed: useStore(changed) };
}
