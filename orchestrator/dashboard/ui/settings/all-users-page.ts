import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { User } from '../../../../protocol/rest-users.ts';
import { usePolling } from '../../net/hooks.ts';
import { changeUser, createUser, fetchUsers, resetPassword } from '../../net/people.ts';
import { Ago, ConfirmButton, ErrorBox, Loading, said } from '../bits.ts';
import { html, view } from '../html.ts';
import type { Session } from '../session.ts';
import { fieldOf, useSubmit } from '../use-submit.ts';
import { RoleSelect, roleOf, SettingsPage, ShownOnce } from './layout.ts';

const USERS_EVERY_MS = 15_000;
const MAX_PAGES = 20;

async function readAll(signal: AbortSignal): Promise<User[]> {
  const users: User[] = [];
  let cursor: string | null = null;
  for (let n = 0; n < MAX_PAGES; n++) {
    const page: { items: User[]; next_cursor: string | null } = await fetchUsers(cursor, signal);
    users.push(...page.items);
    cursor = page.next_cursor;
    if (cursor === null) break;
  }
  return users;
}

export function AllUsersPage({ session }: { session: Session }): VNode {
  const { data, error, refresh } = usePolling(readAll, USERS_EVERY_MS, []);
  const { error: failure, run } = useSubmit();
  const [password, setPassword] = useState<{ username: string; text: string } | undefined>(undefined);
  const change = (work: (key: string) => Promise<unknown>, asked?: unknown) =>
    void run(async (key) => {
      await work(key);
    }, asked).then(refresh);
  const reset = async ({ id, username }: User, key: string) => {
    const { password: text } = await resetPassword(id, key);
    if (text !== null) setPassword({ username, text });
  };
  const onMade = (username: string, text: string | undefined) => {
    if (text !== undefined) setPassword({ username, text });
    refresh();
  };
  return view(
    SettingsPage,
    { session, at: '#/settings/all-users', title: 'All users' },
    html`<div>
      ${
        password === undefined
          ? null
          : view(
              ShownOnce,
              { title: `Password of ${password.username}`, secret: password.text, what: 'the password' },
              html`<span>Hand it over in a way that nobody else reads; it is changed under Account.</span>`,
            )
      }
      ${view(NewUserForm, { session, onMade })}
      ${failure === undefined ? null : view(ErrorBox, { error: failure })}
      ${
        data === undefined
          ? error === undefined
            ? view(Loading, { what: 'users' })
            : view(ErrorBox, { error, onRetry: refresh })
          : html`<div class="table-box"><table>
            <caption class="hidden">Users of the whole orchestrator</caption>
            <thead><tr><th scope="col">User</th><th scope="col">State</th><th scope="col">Member of</th><th scope="col">Signs in by</th><th scope="col">Last login</th><th><span class="hidden">Actions</span></th></tr></thead>
            <tbody>${data.map((user) =>
              view(UserRow, {
                key: user.id,
                user,
                own: user.id === session.userId,
                onChange: (body) => change(() => changeUser(user.id, body)),
                onReset: () => change((key) => reset(user, key), ['reset', user.id]),
              }),
            )}</tbody>
          </table></div>`
      }
    </div>`,
  );
}

function NewUserForm({
  session,
  onMade,
}: {
  session: Session;
  onMade: (username: string, password: string | undefined) => void;
}): VNode {
  const { busy, error, run } = useSubmit();
  const submit = async (event: Event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const username = fieldOf(event, 'username').trim();
    const body = {
      username,
      display_name: fieldOf(event, 'display_name').trim(),
      organizations:
        session.org === '' ? [] : [{ organization: session.org, role: roleOf(fieldOf(event, 'role')) }],
    };
    const good = await run(
      async (key) => onMade(username, (await createUser(body, key)).initial_password),
      body,
    );
    if (good) form.reset();
  };
  const organization = session.organizations.find(({ id }) => id === session.org);
  return html`<form class="card" onSubmit=${submit} aria-labelledby="new-user-title">
    <h2 id="new-user-title">Create a user</h2>
    <div class="columns">
      <label class="field"><span>User name</span>
        <input name="username" required maxlength="128" autocapitalize="none" spellcheck="false" autocomplete="off" /></label>
      <label class="field"><span>Name</span><input name="display_name" maxlength="128" autocomplete="off" /></label>
      ${
        organization === undefined
          ? null
          : html`<label class="field"><span>Role in ${said(organization.name)}</span>${view(RoleSelect, { name: 'role', value: 'viewer' })}</label>`
      }
    </div>
    <p class="quiet">A password is made and shown once.</p>
    ${error === undefined ? null : view(ErrorBox, { error })}
    <p class="actions"><button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Creating…' : 'Create user'}</button></p>
  </form>`;
}

interface UserRowProps {
  user: User;
  own: boolean;
  onChange: (body: { disabled?: boolean; system_admin?: boolean }) => void;
  onReset: () => void;
}

function UserRow({ user, own, onChange, onReset }: UserRowProps): VNode {
  const ways = [user.password ? 'password' : '', ...user.issuers].filter((way) => way !== '');
  const { username, disabled, system_admin } = user;
  return html`<tr class=${disabled ? 'past' : ''}>
    <td class="name"><span>${said(username)}</span><small>${said(user.display_name)}</small></td>
    <td data-label="State"><span class=${`badge ${disabled ? 'off' : 'good'}`}>${disabled ? 'disabled' : 'active'}</span>
      ${system_admin ? html` <span class="badge busy">system admin</span>` : null}</td>
    <td data-label="Member of">${user.organizations.length === 0 ? html`<span class="quiet">–</span>` : html`<ul class="plain">${user.organizations.map(({ id, name, role }) => html`<li key=${id}>${said(name)}: ${role}</li>`)}</ul>`}</td>
    <td data-label="Signs in by">${ways.length === 0 ? html`<span class="quiet">nothing yet</span>` : said(ways.join(', '))}</td>
    <td data-label="Last login">${user.last_login_at === null ? html`<span class="quiet">never</span>` : view(Ago, { at: user.last_login_at })}</td>
    <td class="end"><span class="row-actions">
      ${view(ConfirmButton, { label: 'Reset password', question: `Reset the password of ${username}`, onConfirm: onReset })}
      ${own ? null : view(ConfirmButton, { label: disabled ? 'Enable' : 'Disable', question: `${disabled ? 'Enable' : 'Disable'} ${username}`, danger: !disabled, onConfirm: () => onChange({ disabled: !disabled }) })}
      ${own ? null : view(ConfirmButton, { label: system_admin ? 'Unmake system admin' : 'Make system admin', question: system_admin ? `Let ${username} rule the orchestrator no more` : `Let ${username} rule the whole orchestrator`, danger: true, onConfirm: () => onChange({ system_admin: !system_admin }) })}
    </span></td>
  </tr>`;
}
