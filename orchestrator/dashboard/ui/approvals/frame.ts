import type { VNode } from 'preact';
import { usePendingApprovals } from '../../net/approvals.ts';
import { PageTitle } from '../bits.ts';
import { html, view } from '../html.ts';
import { Parts } from '../parts.ts';

const PARTS = [
  { href: '#/approvals', label: 'Waiting' },
  { href: '#/approvals/ended', label: 'Decided' },
  { href: '#/approvals/rules', label: 'Rules' },
  { href: '#/locks', label: 'Locks' },
] as const;
export type ApprovalsPart = (typeof PARTS)[number]['label'];

/** The pages around approvals, with the way from one to the other. */
export function ApprovalsFrame({ part, children }: { part: ApprovalsPart; children?: unknown }): VNode {
  return html`<div>
    ${view(PageTitle, { title: part === 'Waiting' ? 'Approvals' : part === 'Decided' ? 'Decided approvals' : part === 'Rules' ? 'Approval rules' : 'Locks' })}
    ${view(Parts, { name: 'Approvals', parts: PARTS, at: PARTS.find(({ label }) => label === part)?.href ?? '' })}
    ${children}
  </div>`;
}

/** How many wait, in the tab. */
export function PendingBadge({ org }: { org: string }): VNode | null {
  const { pending } = usePendingApprovals(org);
  if (pending === 0) return null;
  return html`<span class="count" title=${`${pending} waiting`}>${pending > 99 ? '99+' : pending}<span class="hidden"> waiting</span></span>`;
}
