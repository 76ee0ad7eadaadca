import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { WebSession } from '../../../../protocol/rest-users.ts';
import { plural } from '../../model/format.ts';
import { ApiError } from '../../net/api.ts';
import { usePolling } from '../../net/hooks.ts';
import { changePassword, endOtherSessions, endSession, fetchSessions } from '../../net/people.ts';
import { Ago, ConfirmButton, ErrorBox, Loading, said, Until } from '../bits.ts';
import { html, view } from '../html.ts';
import type { Session } from '../session.ts';
import { fieldOf, useSubmit } from '../use-submit.ts';
import { SettingsPage } from './layout.ts';

const SESSIONS_EVERY_MS = 15_000;

export function AccountPage({ session }: { session: Session }): VNode {
  return view(
    SettingsPage,
    { session, at: '#/settings', title: 'Account' },
    html`<div>
      <section class="card" aria-labelledby="roles-title">
        <h2 id="roles-title">${said(session.user)}</h2>
        ${
          session.organizations.length === 0
            ? html`<p class="quiet">You belong to no organization yet. An administrator can change that.</p>`
            : html`<ul class="plain">${session.organizations.map(
                ({ id, name, role }) =>
                  html`<li key=${id}>${said(name)} <span class="badge off">${role}</span></li>`,
              )}</ul>`
        }
        ${session.systemAdmin ? html`<p>You rule the whole orchestrator.</p>` : null}
      </section>
      ${view(PasswordForm, { session })}
      ${view(Sessions, {})}
    </div>`,
  );
}

function PasswordForm({ session }: { session: Session }): VNode {
  const { busy, error, run } = useSubmit();
  const [done, setDone] = useState<string | undefined>(undefined);
  const submit = async (event: Event) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const [current, wanted, again] = ['current', 'wanted', 'again'].map((name) => fieldOf(event, name));
    setDone(undefined);
    const good = await run(
      async (key) => {
        if (wanted !== again)
          throw new ApiError(400, { detail: 'The new passwords differ.', hint: 'Type the same one twice.' });
        const { sessions_ended } = await changePassword(current ?? '', wanted ?? '', key);
        setDone(
          sessions_ended === 0
            ? 'The password is changed.'
            : `The password is changed; ${plural(sessions_ended, 'other session')} ended.`,
        );
      },
      [current, wanted],
    );
    if (good) form.reset();
  };
  return html`<form class="card" onSubmit=${submit} aria-labelledby="password-title">
    <h2 id="password-title">Password</h2>
    <input type="text" name="username" autocomplete="username" value=${session.user} hidden readonly />
    <div class="columns">
      <label class="field"><span>Present password</span>
        <input name="current" type="password" autocomplete="current-password" required maxlength="1024" /></label>
      <label class="field"><span>New password</span>
        <input name="wanted" type="password" autocomplete="new-password" required minlength="15" maxlength="1024" aria-describedby="password-note" />
        <small id="password-note" class="quiet">At least 15 characters that nobody would guess, such as five random words</small></label>
      <label class="field"><span>New password again</span>
        <input name="again" type="password" autocomplete="new-password" required maxlength="1024" /></label>
    </div>
    ${error === undefined ? null : view(ErrorBox, { error })}
    ${done === undefined ? null : html`<p class="notice" role="status">${done}</p>`}
    <p class="actions"><button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Changing…' : 'Change password'}</button></p>
  </form>`;
}

function Sessions(): VNode {
  const { data, error, refresh } = usePolling(fetchSessions, SESSIONS_EVERY_MS, []);
  const { error: failure, run } = useSubmit();
  const end = (work: () => Promise<unknown>) =>
    void run(async () => {
      await work();
    }).then(refresh);
  if (data === undefined)
    return error === undefined
      ? view(Loading, { what: 'sessions' })
      : view(ErrorBox, { error, onRetry: refresh });
  return html`<section aria-labelledby="sessions-title">
    <div class="card-title"><h2 id="sessions-title">Where you are signed in</h2>
      ${
        data.length > 1
          ? view(ConfirmButton, {
              label: 'End all others',
              question: 'End all your sessions but this one',
              danger: true,
              onConfirm: () => end(endOtherSessions),
            })
          : null
      }</div>
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
    <div class="table-box"><table>
      <caption class="hidden">Sessions</caption>
      <thead><tr><th scope="col">Browser</th><th scope="col">From</th><th scope="col">Signed in</th><th scope="col">Used</th><th scope="col">Ends</th><th><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${data.map((one) => view(SessionRow, { key: one.id, one, onEnd: () => end(() => endSession(one.id)) }))}</tbody>
    </table></div>
  </section>`;
}

function SessionRow({ one, onEnd }: { one: WebSession; onEnd: () => void }): VNode {
  return html`<tr>
    <td class="name agent-text"><span>${said(one.user_agent === '' ? 'unknown browser' : one.user_agent)}</span>
      ${one.current ? html` <span class="badge good">this one</span>` : null}</td>
    <td data-label="From"><code>${said(one.address ?? '–')}</code></td>
    <td data-label="Signed in">${view(Ago, { at: one.created_at })} <small class="quiet">${one.method === 'oidc' ? 'single sign-on' : 'password'}</small></td>
    <td data-label="Used">${view(Ago, { at: one.last_seen_at })}</td>
    <td data-label="Ends">${view(Until, { at: one.expires_at })}</td>
    <td class="end">${
      one.current
        ? null
        : view(ConfirmButton, { label: 'End', question: 'End this session', danger: true, onConfirm: onEnd })
    }</td>
  </tr>`;
}
