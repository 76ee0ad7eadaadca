import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Approval, ApprovalDetail } from '../../../../protocol/rest-approvals.ts';
import { jobLink } from '../../model/route.ts';
import { safeLine, safeLines } from '../../model/safe-text.ts';
import { approve, deny, fetchApproval } from '../../net/approvals.ts';
import { hasSecurityKeys, signWithKey } from '../../net/security-key.ts';
import { Ago, ConfirmButton, CopyButton, ErrorBox, said, Until } from '../bits.ts';
import { html, view } from '../html.ts';
import { type Submission, useSubmit } from '../use-submit.ts';

const SHOWN_MACHINES = 30;

const TONES = {
  pending: 'wait',
  approved: 'good',
  denied: 'bad',
  expired: 'off',
  cancelled: 'off',
  void: 'bad',
} as const;

/** The exact command: its text as it is, and every other argument. */
function Exact({ tool, args }: { tool: string; args: Readonly<Record<string, unknown>> }): VNode {
  const { command, ...rest } = args;
  const isShell = typeof command === 'string';
  const others = isShell ? rest : args;
  return html`<div class="exact">
    <p class="quiet"><code>${safeLine(tool)}</code></p>
    ${isShell ? html`<pre class="code" tabIndex="0" aria-label="Command"><bdi>${safeLines(command)}</bdi></pre>` : null}
    ${
      Object.keys(others).length === 0
        ? null
        : html`<pre class="code" tabIndex="0" aria-label="Arguments"><bdi>${safeLines(JSON.stringify(others, undefined, 2))}</bdi></pre>`
    }
  </div>`;
}

function Machines({ org, approval }: { org: string; approval: Approval }): VNode {
  const [detail, setDetail] = useState<ApprovalDetail | undefined>(undefined);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    fetchApproval(org, approval.id, stop.signal).then(setDetail, () => setFailed(!stop.signal.aborted));
    return () => stop.abort();
  }, [org, approval.id]);
  const count = `${approval.targets} ${approval.targets === 1 ? 'machine' : 'machines'}`;
  const list = detail?.target_list.slice(0, SHOWN_MACHINES) ?? [];
  return html`<div class="machines">
    <p><strong>${count}</strong> <span class="quiet">by</span> <code>${safeLine(approval.selector)}</code></p>
    ${failed ? html`<p class="bad-text">The list of machines cannot be read.</p>` : null}
    ${list.length === 0 ? null : html`<ul class="labels" aria-label="Machines">${list.map(({ vm_id }) => html`<li key=${vm_id}>${said(vm_id)}</li>`)}</ul>`}
    ${approval.targets > list.length && list.length > 0 ? html`<p class="quiet">and ${approval.targets - list.length} more; <code>vm-orchestrator approvals show ${approval.id} --json</code> lists them all</p>` : null}
  </div>`;
}

function Needs({ approval }: { approval: Approval }): VNode {
  return html`<ul class="needs">
    ${approval.rules.map(
      ({ id, name, given, needed }) => html`<li key=${id} class=${given >= needed ? 'met' : ''}>
        ${given >= needed ? '✓ ' : ''}Rule ${said(`“${name}”`)}: ${given} of ${needed} approved</li>`,
    )}
    ${approval.signatures.map(
      (
        { approvers, needed, signed_by, vm_ids },
        at,
      ) => html`<li key=${at} class=${signed_by.length >= needed ? 'met' : ''}>
        ${signed_by.length >= needed ? '✓ ' : ''}Own signature of ${said(approvers.join(' or '))}: ${signed_by.length} of ${needed}
        <small class="quiet">wanted by the policy of ${said(vm_ids.length === 1 ? (vm_ids[0] ?? '') : `${vm_ids.length} machines`)}</small></li>`,
    )}
  </ul>`;
}

function Decisions({ approval }: { approval: Approval }): VNode | null {
  if (approval.decisions.length === 0) return null;
  return html`<ul class="decisions">${approval.decisions.map(
    ({ actor, decision, comment, at, signed }) => html`<li key=${actor.id}>
      <strong>${said(actor.name)}</strong> ${decision === 'approve' ? 'approved' : 'denied'}${signed ? ', signed' : ''} ${view(Ago, { at })}
      ${comment === '' ? null : html`<p>${said(comment)}</p>`}</li>`,
  )}</ul>`;
}

/** Which security keys could sign what is still missing. */
const keysFor = (approval: Approval) =>
  approval.signatures
    .filter(({ signed_by, needed }) => signed_by.length < needed)
    .flatMap(({ webauthn, signed_by }) => webauthn.filter(({ name }) => !signed_by.includes(name)));

export function ApprovalCard({
  org,
  approval,
  onDecided,
}: {
  org: string;
  approval: Approval;
  onDecided: () => void;
}): VNode {
  const [comment, setComment] = useState('');
  const { busy, error, run } = useSubmit();
  const { id, digest } = approval;
  const decide = (...decision: Parameters<Submission['run']>) => void run(...decision).then(onDecided);
  const plain = () => {
    const body = { digest, comment };
    decide((key) => approve(org, id, body, key), ['approve', body]);
  };
  const signed = (rpId: string) =>
    decide(async () => {
      const credentialIds = keysFor(approval)
        .filter(({ rp_id }) => rp_id === rpId)
        .map(({ credential_id }) => credential_id);
      const signature = await signWithKey({ digest, rpId, credentialIds });
      const body = { digest, comment, signature };
      // No repeat: every touch of the key makes another signature.
      await approve(org, id, body, crypto.randomUUID());
    });
  const rpIds = [...new Set(keysFor(approval).map(({ rp_id }) => rp_id))];
  const openRules = approval.rules.some(({ given, needed }) => given < needed);
  const bySsh = approval.signatures.some(({ needed, signed_by }) => signed_by.length < needed);
  const pending = approval.state === 'pending';
  return html`<article class="card approval" aria-labelledby=${id}>
    <header class="card-title"><h2 id=${id}>${approval.description === '' ? 'Command' : said(approval.description)}</h2>
      <span class=${`badge ${TONES[approval.state]}`}>${approval.state}</span></header>
    <p class="quiet">Asked for by <strong>${said(approval.requester.name)}</strong> ${view(Ago, { at: approval.created_at })}${' · '}<a href=${jobLink(approval.job_id)}>job</a>${pending ? html`${' · ends '}${view(Until, { at: approval.expires_at })}` : null}</p>
    ${view(Exact, { tool: approval.tool, args: approval.arguments })}
    ${view(Machines, { org, approval })}
    ${view(Needs, { approval })}
    ${view(Decisions, { approval })}
    ${approval.detail === null ? null : html`<p class="notice warn">${said(approval.detail)}</p>`}
    ${
      pending && approval.may_decide
        ? html`<div class="decide">
        <label class="field"><span>Comment <small class="hint quiet">kept in the audit log</small></span>
          <input value=${comment} maxLength="1024" onInput=${(event: Event) => setComment((event.currentTarget as HTMLInputElement).value)} /></label>
        <div class="actions">
          ${openRules ? html`<button type="button" class="button primary" disabled=${busy} onClick=${plain}>Approve</button>` : null}
          ${
            hasSecurityKeys()
              ? rpIds.map(
                  (rpId) =>
                    html`<button key=${rpId} type="button" class=${`button ${openRules ? '' : 'primary'}`} disabled=${busy} onClick=${() => signed(rpId)}>Approve with security key</button>`,
                )
              : null
          }
          ${view(ConfirmButton, { label: 'Deny', question: 'Deny it', danger: true, disabled: busy, onConfirm: () => decide((key) => deny(org, id, { comment }, key), ['deny', comment]) })}
        </div></div>`
        : null
    }
    ${
      pending && bySsh
        ? html`<details><summary>Sign with an SSH key</summary>
          <p class="quiet">On a machine that you trust; it shows what you sign and checks it.</p>
          <div class="card-title"><code>vm-orchestrator approvals sign ${id} --key ~/.ssh/id_ed25519 | vm-orchestrator approvals approve ${id} --signature -</code>
          ${view(CopyButton, { what: 'the command', text: `vm-orchestrator approvals sign ${id} --key ~/.ssh/id_ed25519 | vm-orchestrator approvals approve ${id} --signature -` })}</div></details>`
        : null
    }
    ${pending && !approval.may_decide ? html`<p class="quiet">You cannot decide on this: you asked for it, decided already, or lack the right.</p>` : null}
    <p class="quiet digest">Digest <code>${digest}</code></p>
    ${error === undefined ? null : view(ErrorBox, { error: error })}
  </article>`;
}
