import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { CreateApiTokenRequest, CreateApiTokenResponse } from '../../../../protocol/rest-fleet.ts';
import { permissionsOf, type Role } from '../../../../protocol/roles.ts';
import { createApiToken } from '../../net/people.ts';
import { ErrorBox } from '../bits.ts';
import { html, view } from '../html.ts';
import type { Session } from '../session.ts';
import { useSubmit } from '../use-submit.ts';
import { ROLE_NOTES, RoleSelect } from './layout.ts';

const DAY_S = 24 * 3600;
const LIFETIMES: readonly { days: number | undefined; label: string }[] = [
  { days: 90, label: '90 days' },
  { days: 7, label: '7 days' },
  { days: 30, label: '30 days' },
  { days: 365, label: '1 year' },
  { days: undefined, label: 'until it is revoked' },
];

function readForm(form: HTMLFormElement, role: Role): CreateApiTokenRequest {
  const data = new FormData(form);
  const days = Number(data.get('days'));
  const chosen = new Set(data.getAll('scope'));
  const scopes = [...permissionsOf(role)].filter((permission) => chosen.has(permission));
  return {
    name: String(data.get('name') ?? '').trim(),
    role,
    ...(scopes.length === 0 ? {} : { scopes }),
    ...(days > 0 ? { ttl_s: days * DAY_S } : {}),
    ...(data.get('system') === null ? {} : { system_admin: true }),
  };
}

export function ApiTokenForm({
  session,
  onMade,
}: {
  session: Session;
  onMade: (made: CreateApiTokenResponse) => void;
}): VNode {
  const { busy, error, run } = useSubmit();
  const [role, setRole] = useState<Role>('viewer');
  const submit = async (event: Event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const body = readForm(form, role);
    const good = await run(async (key) => onMade(await createApiToken(session.org, body, key)), body);
    if (!good) return;
    form.reset();
    setRole('viewer');
  };
  return html`<form class="card" onSubmit=${submit} aria-labelledby="new-token-title">
    <h2 id="new-token-title">Create an API token</h2>
    <div class="columns">
      <label class="field"><span>Name</span>
        <input name="name" required maxlength="128" placeholder="What it is for" autocomplete="off" /></label>
      <label class="field"><span>Valid for</span>
        <select name="days">${LIFETIMES.map(
          ({ days, label }) => html`<option key=${label} value=${days ?? 0}>${label}</option>`,
        )}</select></label>
      <label class="field"><span>Role</span>${view(RoleSelect, { name: 'role', value: role, onChange: setRole })}
        <small class="quiet">${ROLE_NOTES[role]}</small></label>
      ${
        session.systemAdmin
          ? html`<label class="field check-field"><input name="system" type="checkbox" /> <span>Rules the whole orchestrator (role admin, no scopes)</span></label>`
          : null
      }
    </div>
    <details>
      <summary>Only some of these rights</summary>
      <fieldset class="scope-list"><legend class="hidden">Scopes</legend>
        ${[...permissionsOf(role)].map(
          (permission) =>
            html`<label key=${permission}><input name="scope" type="checkbox" value=${permission} /> <code>${permission}</code></label>`,
        )}
      </fieldset>
      <p class="quiet">With none chosen the token has all of its role.</p>
    </details>
    ${error === undefined ? null : view(ErrorBox, { error })}
    <p class="actions"><button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Creating…' : 'Create token'}</button></p>
  </form>`;
}
