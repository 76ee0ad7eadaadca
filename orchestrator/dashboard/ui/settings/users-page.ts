import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Member } from '../../../../protocol/rest-users.ts';
import type { Role } from '../../../../protocol/roles.ts';
import { usePolling } from '../../net/hooks.ts';
import { addMember, changeMember, fetchMembers, removeMember } from '../../net/people.ts';
import { Ago, ConfirmButton, Empty, ErrorBox, Loading, said } from '../bits.ts';
import { html, view } from '../html.ts';
import { may, type Session } from '../session.ts';
import { fieldOf, useSubmit } from '../use-submit.ts';
import { RoleSelect, roleOf, SettingsPage } from './layout.ts';

const MEMBERS_EVERY_MS = 10_000;

export function UsersPage({ session }: { session: Session }): VNode {
  const { org } = session;
  const { data, error, refresh } = usePolling((signal) => fetchMembers(org, signal), MEMBERS_EVERY_MS, [org]);
  const { error: failure, run } = useSubmit();
  const writes = may(session, 'users.write');
  const change = (work: () => Promise<unknown>) =>
    void run(async () => {
      await work();
    }).then(refresh);
  let body: VNode;
  if (data === undefined)
    body =
      error === undefined ? view(Loading, { what: 'users' }) : view(ErrorBox, { error, onRetry: refresh });
  else if (data.length === 0)
    body = view(Empty, {
      title: 'Nobody yet',
      text: 'Add somebody who has an account here, and choose what they may do.',
    });
  else
    body = html`<div class="table-box"><table>
      <caption class="hidden">Users of the organization</caption>
      <thead><tr><th scope="col">User</th><th scope="col">Role</th><th scope="col">State</th><th scope="col">Last login</th><th><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${data.map((member) =>
        view(MemberRow, {
          key: member.id,
          member,
          writes,
          onRole: (role) => change(() => changeMember(org, member.id, role)),
          onRemove: () => change(() => removeMember(org, member.id)),
        }),
      )}</tbody>
    </table></div>`;
  return view(
    SettingsPage,
    { session, at: '#/settings/users', title: 'Users' },
    html`<div>
      ${writes ? view(AddForm, { org, session, onAdded: refresh }) : null}
      ${failure === undefined ? null : view(ErrorBox, { error: failure })}
      ${body}
    </div>`,
  );
}

function AddForm({ org, session, onAdded }: { org: string; session: Session; onAdded: () => void }): VNode {
  const { busy, error, run } = useSubmit();
  const submit = async (event: Event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const body = { username: fieldOf(event, 'username').trim(), role: roleOf(fieldOf(event, 'role')) };
    const good = await run(async (key) => {
      await addMember(org, body, key);
    }, body);
    if (!good) return;
    form.reset();
    onAdded();
  };
  const who = session.systemAdmin
    ? html`Users are made under <a href="#/settings/all-users">All users</a>.`
    : 'An administrator of the orchestrator makes users.';
  return html`<form class="card" onSubmit=${submit} aria-labelledby="add-title">
    <h2 id="add-title">Add a user</h2>
    <div class="row-form">
      <label class="field"><span>User name</span>
        <input name="username" autocapitalize="none" spellcheck="false" autocomplete="off" required maxlength="128" /></label>
      <label class="field"><span>Role</span>${view(RoleSelect, { name: 'role', value: 'viewer' })}</label>
      <button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Adding…' : 'Add'}</button>
    </div>
    <p class="quiet">They must have an account here, or have signed in once by single sign-on. ${who}</p>
    ${error === undefined ? null : view(ErrorBox, { error })}
  </form>`;
}

interface MemberRowProps {
  member: Member;
  writes: boolean;
  onRole: (role: Role) => void;
  onRemove: () => void;
}

function MemberRow({ member, writes, onRole, onRemove }: MemberRowProps): VNode {
  const [wanted, setWanted] = useState<Role | undefined>(undefined);
  const differs = wanted !== undefined && wanted !== member.role;
  return html`<tr class=${member.disabled ? 'past' : ''}>
    <td class="name"><span>${said(member.username)}</span><small>${said(member.display_name)}</small></td>
    <td data-label="Role"><span class="inline-form">${
      writes
        ? view(RoleSelect, {
            name: `role-${member.id}`,
            value: wanted ?? member.role,
            label: `Role of ${member.username}`,
            onChange: setWanted,
          })
        : html`<span class="badge off">${member.role}</span>`
    }
      ${
        differs
          ? html`<button type="button" class="button small primary" onClick=${() => onRole(wanted)}>Save</button>`
          : null
      }</span>
      ${member.source === 'oidc' ? html`<small class="quiet">from groups</small>` : null}</td>
    <td data-label="State"><span class=${`badge ${member.disabled ? 'off' : 'good'}`}>${member.disabled ? 'disabled' : 'active'}</span></td>
    <td data-label="Last login">${member.last_login_at === null ? html`<span class="quiet">never</span>` : view(Ago, { at: member.last_login_at })}</td>
    <td class="end">${
      writes
        ? view(ConfirmButton, {
            label: 'Remove',
            question: `Remove ${member.username} from the organization`,
            danger: true,
            onConfirm: onRemove,
          })
        : null
    }</td>
  </tr>`;
}
