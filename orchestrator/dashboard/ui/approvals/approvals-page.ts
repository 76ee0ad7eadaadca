import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { fetchApprovals, usePendingApprovals } from '../../net/approvals.ts';
import { usePolling } from '../../net/hooks.ts';
import { hasSecurityKeys, newKeyLines } from '../../net/security-key.ts';
import { CopyButton, Empty, ErrorBox, Loading } from '../bits.ts';
import { html, view } from '../html.ts';
import { useSubmit } from '../use-submit.ts';
import { ApprovalCard } from './approval-card.ts';
import { ApprovalsFrame } from './frame.ts';

/** Changes are told; this is for hints that were lost. */
const EVERY_MS = 15_000;

/** What waits for somebody, or what was decided. */
export function ApprovalsPage({
  org,
  user,
  state,
}: {
  org: string;
  user: string;
  state: 'pending' | 'ended';
}): VNode {
  const { changed } = usePendingApprovals(org);
  const { data, error, refresh } = usePolling((signal) => fetchApprovals(org, state, signal), EVERY_MS, [
    org,
    state,
    changed,
  ]);
  // A hint makes it read again; until then the old list stands.
  const last = useRef<typeof data>(undefined);
  if (data !== undefined) last.current = data;
  const shown = last.current;
  let body: VNode;
  if (shown === undefined)
    body =
      error === undefined
        ? view(Loading, { what: 'approvals' })
        : view(ErrorBox, { error, onRetry: refresh });
  else if (shown.items.length === 0)
    body =
      state === 'pending'
        ? view(
            Empty,
            {
              title: 'Nothing waits for an approval',
              text: 'A job that meets a rule, or that a machine’s policy wants signed, waits here for another person.',
            },
            html`<a class="button" href="#/approvals/rules">Rules</a>`,
          )
        : view(Empty, {
            title: 'Nothing was decided yet',
            text: 'What was approved, denied or expired is kept here.',
          });
  else
    body = html`<div class="approvals">${shown.items.map((approval) => view(ApprovalCard, { key: approval.id, org, approval, onDecided: refresh }))}</div>`;
  return view(
    ApprovalsFrame,
    { part: state === 'pending' ? 'Waiting' : 'Decided' },
    html`<div aria-live="polite">${body}</div>`,
    state === 'pending' ? view(OwnKey, { user }) : null,
  );
}

/** A key for the policies of machines; nothing of it is sent anywhere. */
function OwnKey({ user }: { user: string }): VNode | null {
  const [lines, setLines] = useState('');
  const { busy, error, run } = useSubmit();
  if (!hasSecurityKeys()) return null;
  return html`<details class="own-key"><summary>A security key of your own for signing</summary>
    <p class="quiet">The owner of a machine puts these lines under <code>approvers</code> in its <code>policy.yaml</code>. From then on that machine runs what you sign, and checks it itself.</p>
    <button type="button" class="button" disabled=${busy} onClick=${() => run(async () => setLines(await newKeyLines(user)))}>Make a key</button>
    ${lines === '' ? null : html`<div><pre class="code" tabIndex="0" aria-label="Lines for policy.yaml">${lines}</pre>${view(CopyButton, { text: lines, what: 'the lines' })}</div>`}
    ${error === undefined ? null : view(ErrorBox, { error: error })}
  </details>`;
}
