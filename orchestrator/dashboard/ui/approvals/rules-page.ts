import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { ApprovalRule, ApprovalRuleRequest } from '../../../../protocol/rest-approvals.ts';
import type { Role } from '../../../../protocol/roles.ts';
import { safeLine } from '../../model/safe-text.ts';
import { addRule, fetchRules, removeRule, replaceRule } from '../../net/approvals.ts';
import { usePolling } from '../../net/hooks.ts';
import { ConfirmButton, Empty, ErrorBox, Loading, said } from '../bits.ts';
import { html, view } from '../html.ts';
import { useSubmit } from '../use-submit.ts';
import { ApprovalsFrame } from './frame.ts';

const EVERY_MS = 15_000;
const ROLES: readonly Role[] = ['viewer', 'operator', 'approver', 'admin'];
const TIMES = [
  ['900', '15 minutes'],
  ['3600', '1 hour'],
  ['28800', '8 hours'],
  ['86400', '1 day'],
] as const;

const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');
const lines = (text: string): string[] => text.split('\n').filter((line) => line.trim() !== '');
const who = (text: string) => ({
  roles: words(text).filter((word): word is Role => (ROLES as readonly string[]).includes(word)),
  actors: words(text).filter((word) => !(ROLES as readonly string[]).includes(word)),
});
const named = (
  { roles, actors }: { roles: readonly string[]; actors: readonly string[] },
  nobody: string,
): string => [...roles, ...actors].join(', ') || nobody;

export function RulesPage({ org, mayWrite }: { org: string; mayWrite: boolean }): VNode {
  const { data: rules, error, refresh } = usePolling((signal) => fetchRules(org, signal), EVERY_MS, [org]);
  const [adding, setAdding] = useState(false);
  const action = useSubmit();
  const act = (work: () => Promise<unknown>) =>
    action.run(async () => {
      await work();
      refresh();
    });
  let body: VNode;
  if (rules === undefined)
    body =
      error === undefined ? view(Loading, { what: 'rules' }) : view(ErrorBox, { error, onRetry: refresh });
  else if (rules.length === 0)
    body = adding
      ? html`<div></div>`
      : view(
          Empty,
          {
            title: 'No rules',
            text: 'Without a rule every job runs at once. A rule names the jobs that wait for another person, such as every shell command on env=prod.',
          },
          mayWrite
            ? html`<button type="button" class="button primary" onClick=${() => setAdding(true)}>Add rule</button>`
            : null,
        );
  else
    body = html`<div class="table-box"><table class="rules">
      <caption class="hidden">Approval rules</caption>
      <thead><tr><th scope="col">Rule</th><th scope="col">Jobs</th><th scope="col">Approvers</th><th scope="col">Exempt</th><th><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${rules.map((rule) => view(RuleRow, { key: rule.id, rule, mayWrite, onToggle: () => void act(() => replaceRule(org, rule.id, bodyOf({ ...rule, enabled: !rule.enabled }))), onRemove: () => void act(() => removeRule(org, rule.id)) }))}</tbody>
    </table></div>`;
  return view(
    ApprovalsFrame,
    { part: 'Rules' },
    mayWrite && !adding && rules !== undefined && rules.length > 0
      ? html`<p class="actions"><button type="button" class="button primary" onClick=${() => setAdding(true)}>Add rule</button></p>`
      : null,
    adding
      ? view(RuleForm, {
          org,
          onDone: () => {
            setAdding(false);
            refresh();
          },
          onCancel: () => setAdding(false),
        })
      : null,
    action.error === undefined ? null : view(ErrorBox, { error: action.error }),
    body,
  );
}

function bodyOf({
  id: _id,
  created_at: _at,
  created_by: _by,
  ...definition
}: ApprovalRule): ApprovalRuleRequest {
  return definition;
}

function RuleRow({
  rule,
  mayWrite,
  onToggle,
  onRemove,
}: {
  rule: ApprovalRule;
  mayWrite: boolean;
  onToggle: () => void;
  onRemove: () => void;
}): VNode {
  const minutes = Math.round(rule.expires_in / 60);
  return html`<tr class=${rule.enabled ? '' : 'past'}>
    <td class="name"><span>${said(rule.name)}</span><small>${rule.enabled ? 'on' : 'off'} · by ${said(rule.created_by)}</small></td>
    <td data-label="Jobs"><span>of ${said(named(rule.requesters, 'everybody'))} on <code>${safeLine(rule.selector)}</code></span>
      <small>${[...rule.tools, ...rule.commands].length === 0 ? 'every tool and command' : [...rule.tools, ...rule.commands].map((text) => html`<code key=${text}>${safeLine(text)}</code> `)}</small></td>
    <td data-label="Approvers"><span>${rule.approvers.count} of ${said(named(rule.approvers, 'all who may approve'))}</span><small>within ${minutes} min</small></td>
    <td data-label="Exempt">${said(named(rule.exempt, '–'))}</td>
    <td class="end">${
      mayWrite
        ? html`<span class="confirm"><button type="button" class="button small" aria-label=${`${rule.enabled ? 'Switch off' : 'Switch on'} rule ${safeLine(rule.name)}`} onClick=${onToggle}>${rule.enabled ? 'Switch off' : 'Switch on'}</button>
        ${view(ConfirmButton, { label: 'Remove', question: `Remove rule ${safeLine(rule.name)}`, danger: true, onConfirm: onRemove })}</span>`
        : null
    }</td>
  </tr>`;
}

function RuleForm({
  org,
  onDone,
  onCancel,
}: {
  org: string;
  onDone: () => void;
  onCancel: () => void;
}): VNode {
  const { busy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? '');
    const body: ApprovalRuleRequest = {
      name: text('name'),
      selector: text('selector').trim() || 'all',
      tools: words(text('tools')),
      commands: lines(text('commands')),
      requesters: who(text('requesters')),
      exempt: who(text('exempt')),
      approvers: { count: Number(text('count')), ...who(text('approvers')) },
      expires_in: Number(text('expires')),
    };
    void run(async (key) => {
      await addRule(org, body, key);
      onDone();
    }, body);
  };
  return html`<form class="card rule-form" onSubmit=${submit}>
    <h2>Add rule</h2>
    <div class="columns">
      <label class="field"><span>Name</span><input name="name" required maxLength="128" placeholder="production shell" /></label>
      <label class="field"><span>Machines</span><input name="selector" class="mono" placeholder="all" /><small class="quiet">a selector, such as env=prod; one machine of the job is enough</small></label>
      <label class="field"><span>Tools</span><input name="tools" class="mono" placeholder="execute_shell_command *_file" /><small class="quiet">every tool when this is empty</small></label>
      <label class="field"><span>Commands</span><textarea name="commands" class="mono" rows="2" placeholder="*rm -rf*"></textarea><small class="quiet">one pattern a line; a help against slips, since a shell can write a command in many ways</small></label>
      <label class="field"><span>Requested by</span><input name="requesters" placeholder="everybody" /><small class="quiet">users, api-… tokens, or roles</small></label>
      <label class="field"><span>Exempt</span><input name="exempt" placeholder="nobody" /></label>
      <label class="field"><span>Approvals</span><input name="count" type="number" min="1" max="16" defaultValue="1" required /></label>
      <label class="field"><span>Approvers</span><input name="approvers" placeholder="all who may approve" /></label>
      <label class="field"><span>Time to decide</span><select name="expires" defaultValue="3600">${TIMES.map(([value, label]) => html`<option key=${value} value=${value} selected=${value === '3600'}>${label}</option>`)}</select></label>
    </div>
    ${error === undefined ? null : view(ErrorBox, { error: error })}
    <p class="actions"><button class="button primary" disabled=${busy}>Add rule</button><button type="button" class="button" onClick=${onCancel}>Cancel</button></p>
  </form>`;
}
