import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { CreateLockRequest, Lock, LockTarget } from '../../../../protocol/rest-locks.ts';
import { safeLine } from '../../model/safe-text.ts';
import { addLock, fetchLocks, removeLock } from '../../net/approvals.ts';
import { usePolling } from '../../net/hooks.ts';
import { Ago, ConfirmButton, Empty, ErrorBox, Loading, said, Until } from '../bits.ts';
import { html, view } from '../html.ts';
import { useSubmit } from '../use-submit.ts';
import { ApprovalsFrame } from './frame.ts';

const EVERY_MS = 5000;

const KINDS: readonly { type: LockTarget; label: string; hint: string }[] = [
  { type: 'user', label: 'User', hint: 'name of the user; their sessions and tokens are refused' },
  { type: 'api_token', label: 'API token', hint: 'api-…' },
  { type: 'agent', label: 'Machine', hint: 'vm-…; it gets nothing' },
  { type: 'selector', label: 'Selection', hint: 'such as env=prod' },
  { type: 'tool', label: 'Tool', hint: 'its name, or a pattern' },
  { type: 'organization', label: 'Whole organization', hint: '' },
];
const labelOf = (type: LockTarget): string => KINDS.find((kind) => kind.type === type)?.label ?? type;

export function LocksPage({ org, mayWrite }: { org: string; mayWrite: boolean }): VNode {
  const { data: locks, error, refresh } = usePolling((signal) => fetchLocks(org, signal), EVERY_MS, [org]);
  const action = useSubmit();
  const remove = (id: string) =>
    void action.run(async () => {
      await removeLock(org, id);
      refresh();
    });
  let body: VNode;
  if (locks === undefined)
    body =
      error === undefined ? view(Loading, { what: 'locks' }) : view(ErrorBox, { error, onRetry: refresh });
  else if (locks.length === 0)
    body = view(Empty, {
      title: 'Nothing is locked',
      text: 'A lock stops a person, a token, a machine or a tool at once, running sessions included, and says why to whoever is stopped.',
    });
  else
    body = html`<div class="table-box"><table class="locks">
      <caption class="hidden">Locks</caption>
      <thead><tr><th scope="col">Locked</th><th scope="col">Reason</th><th scope="col">Until</th><th scope="col">By</th><th><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${locks.map((lock) => view(LockRow, { key: lock.id, lock, mayWrite, onRemove: () => remove(lock.id) }))}</tbody>
    </table></div>`;
  return view(
    ApprovalsFrame,
    { part: 'Locks' },
    mayWrite ? view(LockForm, { org, onDone: refresh }) : null,
    action.error === undefined ? null : view(ErrorBox, { error: action.error }),
    body,
  );
}

function LockRow({
  lock,
  mayWrite,
  onRemove,
}: {
  lock: Lock;
  mayWrite: boolean;
  onRemove: () => void;
}): VNode {
  const name = safeLine(lock.target_name);
  return html`<tr>
    <td class="name"><span>${said(lock.target_name)}</span><small>${labelOf(lock.target_type)}</small></td>
    <td data-label="Reason">${said(lock.reason)}</td>
    <td data-label="Until">${lock.expires_at === null ? 'it is removed' : view(Until, { at: lock.expires_at })}</td>
    <td data-label="By">${said(lock.created_by)}<small>${view(Ago, { at: lock.created_at })}</small></td>
    <td class="end">${mayWrite ? view(ConfirmButton, { label: 'Unlock', question: `Unlock ${name}`, onConfirm: onRemove }) : null}</td>
  </tr>`;
}

function LockForm({ org, onDone }: { org: string; onDone: () => void }): VNode {
  const [type, setType] = useState<LockTarget>('user');
  const [target, setTarget] = useState('');
  const [reason, setReason] = useState('');
  const [hours, setHours] = useState('');
  const { busy, error, run } = useSubmit();
  const kind = KINDS.find((one) => one.type === type);
  const submit = (event: Event) => {
    event.preventDefault();
    const body: CreateLockRequest = {
      target_type: type,
      target: type === 'organization' ? '' : target.trim(),
      reason,
      ...(hours === '' ? {} : { expires_in: Number(hours) * 3600 }),
    };
    void run(async (key) => {
      await addLock(org, body, key);
      setTarget('');
      setReason('');
      onDone();
    }, body);
  };
  const set = (use: (text: string) => void) => (event: Event) =>
    use((event.currentTarget as HTMLInputElement).value);
  return html`<form class="card lock-form" onSubmit=${submit} aria-label="Lock something">
    <label class="field"><span>What</span><select value=${type} onChange=${set((text) => setType(text as LockTarget))}>
      ${KINDS.map((one) => html`<option key=${one.type} value=${one.type}>${one.label}</option>`)}</select></label>
    ${type === 'organization' ? null : html`<label class="field"><span>Which</span><input value=${target} required onInput=${set(setTarget)} /><small class="quiet">${kind?.hint}</small></label>`}
    <label class="field"><span>Reason</span><input value=${reason} required maxLength="512" onInput=${set(setReason)} /></label>
    <label class="field"><span>For</span><select value=${hours} onChange=${set(setHours)}>
      <option value="">until it is removed</option><option value="1">1 hour</option><option value="8">8 hours</option><option value="24">1 day</option><option value="168">7 days</option></select></label>
    <button class="button primary" disabled=${busy}>Lock</button>
    ${error === undefined ? null : view(ErrorBox, { error: error })}
  </form>`;
}
