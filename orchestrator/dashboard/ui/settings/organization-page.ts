import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { fetchSession } from '../../net/endpoints.ts';
import { createOrganization, deleteOrganization, renameOrganization } from '../../net/people.ts';
import { ConfirmButton, ErrorBox, said } from '../bits.ts';
import { html, view } from '../html.ts';
import { chooseOrganization, enterSession, may, type Session } from '../session.ts';
import { fieldOf, useSubmit } from '../use-submit.ts';
import { SettingsPage } from './layout.ts';

const NAME = '[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?';

const reload = async (): Promise<void> => enterSession(await fetchSession());

export function OrganizationPage({ session }: { session: Session }): VNode {
  const organization = session.organizations.find(({ id }) => id === session.org);
  return view(
    SettingsPage,
    { session, at: '#/settings/organization', title: 'Organization' },
    html`<div>
      <section class="card" aria-labelledby="organization-title">
        <h2 id="organization-title">${said(organization?.name ?? 'None')}</h2>
        <p class="quiet">Identifier <code>${session.org}</code></p>
        ${may(session, 'organization.write') ? view(RenameForm, { org: session.org, name: organization?.name ?? '' }) : null}
      </section>
      ${session.systemAdmin ? view(NewForm, { session }) : null}
      ${session.systemAdmin ? view(DeleteCard, { org: session.org, name: organization?.name ?? '' }) : null}
    </div>`,
  );
}

function RenameForm({ org, name }: { org: string; name: string }): VNode {
  const { busy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    const wanted = fieldOf(event, 'name').trim();
    void run(async () => {
      await renameOrganization(org, wanted);
      await reload();
    });
  };
  return html`<form onSubmit=${submit} aria-label="Rename the organization">
    <div class="row-form">
      <label class="field"><span>Name</span>
        <input name="name" class="mono" defaultValue=${name} pattern=${NAME} title="1–63 of a–z 0–9 -" required maxlength="63" spellcheck="false" autocapitalize="none" autocomplete="off" /></label>
      <button class="button" type="submit" aria-disabled=${busy}>${busy ? 'Renaming…' : 'Rename'}</button>
    </div>
    <p class="quiet">It stands in addresses and command lines; its identifier stays.</p>
    ${error === undefined ? null : view(ErrorBox, { error })}
  </form>`;
}

function NewForm({ session }: { session: Session }): VNode {
  const { busy, error, run } = useSubmit();
  const submit = (event: Event) => {
    event.preventDefault();
    const name = fieldOf(event, 'name').trim();
    void run(async (key) => {
      const { id } = await createOrganization(name, key);
      chooseOrganization(session, id);
      await reload();
    }, name);
  };
  return html`<form class="card" onSubmit=${submit} aria-labelledby="new-organization-title">
    <h2 id="new-organization-title">New organization</h2>
    <div class="row-form">
      <label class="field"><span>Name</span>
        <input name="name" class="mono" pattern=${NAME} title="1–63 of a–z 0–9 -" required maxlength="63" spellcheck="false" autocapitalize="none" autocomplete="off" /></label>
      <button class="button" type="submit" aria-disabled=${busy}>${busy ? 'Creating…' : 'Create'}</button>
    </div>
    <p class="quiet">It has agents, users, tokens and a certificate authority of its own; nobody of another one sees it.</p>
    ${error === undefined ? null : view(ErrorBox, { error })}
  </form>`;
}

function DeleteCard({ org, name }: { org: string; name: string }): VNode {
  const { error, run } = useSubmit();
  const [agents, setAgents] = useState(false);
  const remove = () =>
    void run(async () => {
      await deleteOrganization(org, agents);
      await reload();
    });
  return html`<section class="card" aria-labelledby="delete-title">
    <h2 id="delete-title">Delete ${said(name)}</h2>
    <p>Its users and tokens lose it at once. What it recorded is kept, so that its audit log can still be proved.</p>
    <p><label><input type="checkbox" checked=${agents} onChange=${(event: Event) => setAgents((event.currentTarget as HTMLInputElement).checked)} /> Its agents end with it; without this it must have none</label></p>
    ${error === undefined ? null : view(ErrorBox, { error })}
    <p class="actions">${view(ConfirmButton, { label: 'Delete', question: `Delete the organization ${name}`, danger: true, onConfirm: remove })}</p>
  </section>`;
}
