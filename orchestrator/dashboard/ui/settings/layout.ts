import type { VNode } from 'preact';
import { type Permission, ROLES, type Role } from '../../../../protocol/roles.ts';
import { CopyButton, PageTitle } from '../bits.ts';
import { html, view } from '../html.ts';
import { Parts } from '../parts.ts';
import { may, type Session } from '../session.ts';

interface Section {
  href: string;
  label: string;
  needs: Permission | 'self' | 'system';
}

const SECTIONS: readonly Section[] = [
  { href: '#/settings', label: 'Account', needs: 'self' },
  { href: '#/settings/users', label: 'Users', needs: 'users.read' },
  { href: '#/settings/api-tokens', label: 'API tokens', needs: 'api_tokens.read' },
  { href: '#/settings/organization', label: 'Organization', needs: 'organization.read' },
  { href: '#/settings/all-users', label: 'All users', needs: 'system' },
];

const shows = (session: Session, { needs }: Section): boolean =>
  needs === 'self' || (needs === 'system' ? session.systemAdmin : may(session, needs));

/** The frame of every page of the settings. */
export function SettingsPage({
  session,
  at,
  title,
  children,
}: {
  session: Session;
  /** Which section this is. */
  at: string;
  title: string;
  children?: unknown;
}): VNode {
  return html`<div class="settings">
    ${view(PageTitle, { title })}
    ${view(Parts, { name: 'Settings', parts: SECTIONS.filter((section) => shows(session, section)), at })}
    ${children}
  </div>`;
}

export const ROLE_NOTES: Readonly<Record<Role, string>> = {
  viewer: 'sees agents and jobs',
  operator: 'runs commands and adds machines',
  approver: 'decides on what others ask for, and reads the audit log',
  admin: 'everything in the organization',
};

/** What a select of roles holds. */
export const roleOf = (text: string): Role => ROLES.find((role) => role === text) ?? 'viewer';

export function RoleSelect({
  name,
  value,
  label,
  onChange,
}: {
  name: string;
  value: Role;
  /** Where no visible label stands beside it. */
  label?: string;
  onChange?: (role: Role) => void;
}): VNode {
  // Whoever keeps no value himself must not get this one back whenever the page is drawn anew.
  const kept = onChange === undefined ? undefined : value;
  return html`<select name=${name} aria-label=${label} value=${kept} onChange=${(event: Event) =>
    onChange?.(roleOf((event.currentTarget as HTMLSelectElement).value))}>
    ${ROLES.map(
      (role) =>
        html`<option key=${role} value=${role} selected=${role === value} title=${ROLE_NOTES[role]}>${role}</option>`,
    )}
  </select>`;
}

/** What the server does not keep in clear. */
export function ShownOnce({
  title,
  secret,
  what,
  children,
}: {
  title: string;
  secret: string;
  what: string;
  children?: unknown;
}): VNode {
  return html`<div class="notice warn shown-once" role="status">
    <div>
      <div class="card-title"><strong>${title}</strong>${view(CopyButton, { text: secret, what })}</div>
      <pre class="code" tabIndex="0" aria-label=${what}>${secret}</pre>
      <p>Shown once: only a hash of it is kept. ${children}</p>
    </div>
  </div>`;
}
