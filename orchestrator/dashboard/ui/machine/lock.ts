import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { CreateLockRequest } from '../../../../protocol/rest-locks.ts';
import type { MachineLock } from '../../../../protocol/rest-overview.ts';
import { addLock, removeLock } from '../../net/approvals.ts';
import { useFleet } from '../../net/fleet-feed.ts';
import { ConfirmButton, ErrorBox, said, Until } from '../bits.ts';
import { html, view } from '../html.ts';
import { useSubmit } from '../use-submit.ts';

const WHAT: Readonly<Record<MachineLock['target_type'], string>> = {
  agent: 'This machine is locked',
  selector: 'A selection that this machine is in is locked',
  organization: 'The whole organization is locked',
  user: 'Locked',
  api_token: 'Locked',
  tool: 'Locked',
};

export interface MachineLockProps {
  org: string;
  agent: { agent_id: string; vm_id: string; state: string };
  mayWrite: boolean;
}

/** Whether the machine is locked and why; who may ends the lock here, or makes one. */
export function MachineLockBox({ org, agent, mayWrite }: MachineLockProps): VNode | null {
  const { fleet } = useFleet(org);
  const lock = fleet.byId.get(agent.agent_id)?.machine.lock ?? null;
  const action = useSubmit();
  if (lock === null)
    return mayWrite && agent.state !== 'revoked' ? view(LockIt, { org, agent, key: agent.agent_id }) : null;
  const remove = () => void action.run(() => removeLock(org, lock.id));
  let way: VNode | null = null;
  if (mayWrite)
    way =
      lock.target_type === 'agent'
        ? view(ConfirmButton, {
            label: 'Unlock',
            question: `Unlock ${agent.vm_id}`,
            disabled: action.busy,
            onConfirm: remove,
          })
        : html`<a class="button small" href="#/locks">To the locks</a>`;
  return html`<div class="notice warn" role="status">
    <div>
      <p><strong>${WHAT[lock.target_type]}:</strong> ${said(lock.reason)}</p>
      <p class="quiet">Nothing is sent to it ${lock.expires_at === null ? 'until the lock is removed' : html`until the lock ends, ${view(Until, { at: lock.expires_at })}`}.</p>
    </div>
    ${way}
    ${action.error === undefined ? null : view(ErrorBox, { error: action.error })}
  </div>`;
}

function LockIt({ org, agent }: Pick<MachineLockProps, 'org' | 'agent'>): VNode {
  const [open, setOpen] = useState(false);
  const [reason, setReason] = useState('');
  const [hours, setHours] = useState('');
  const action = useSubmit();
  if (!open)
    return html`<div class="agent-actions"><button type="button" class="button small" aria-label=${`Lock ${agent.vm_id}`} onClick=${() => setOpen(true)}>Lock…</button></div>`;
  const submit = (event: Event) => {
    event.preventDefault();
    const body: CreateLockRequest = {
      target_type: 'agent',
      target: agent.agent_id,
      reason,
      ...(hours === '' ? {} : { expires_in: Number(hours) * 3600 }),
    };
    void action.run(async (key) => {
      await addLock(org, body, key);
      setOpen(false);
    }, body);
  };
  const set = (use: (text: string) => void) => (event: Event) =>
    use((event.currentTarget as HTMLInputElement).value);
  return html`<form class="card machine-lock" onSubmit=${submit} aria-label=${`Lock ${agent.vm_id}`}>
    <label class="field"><span>Reason</span><input value=${reason} required maxLength="512" onInput=${set(setReason)} /><small class="quiet">Shown to whoever is stopped by it.</small></label>
    <label class="field"><span>For</span><select value=${hours} onChange=${set(setHours)}>
      <option value="">until it is removed</option><option value="1">1 hour</option><option value="8">8 hours</option><option value="24">1 day</option><option value="168">7 days</option></select></label>
    <div class="buttons"><button class="button primary" disabled=${action.busy}>Lock</button>
      <button type="button" class="button" onClick=${() => setOpen(false)}>Cancel</button></div>
    ${action.error === undefined ? null : view(ErrorBox, { error: action.error })}
  </form>`;
}
