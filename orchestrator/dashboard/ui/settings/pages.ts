import type { ComponentType } from 'preact';
import type { Pattern } from '../../model/route.ts';
import { view } from '../html.ts';
import type { Session } from '../session.ts';
import { AccountPage } from './account-page.ts';
import { AllUsersPage } from './all-users-page.ts';
import { ApiTokensPage } from './api-tokens-page.ts';
import { OrganizationPage } from './organization-page.ts';
import { UsersPage } from './users-page.ts';

const page = (component: (props: { session: Session }) => ReturnType<typeof AccountPage>) => ({
  tab: 'settings',
  render: ({ session }: { session: Session }) =>
    view(component as ComponentType<{ session: Session }>, { session }),
});

/** What a person sets: for himself, for the organization, for all of it. */
export const SETTINGS: readonly [Pattern, ReturnType<typeof page>][] = [
  ['settings', page(AccountPage)],
  ['settings/users', page(UsersPage)],
  ['settings/api-tokens', page(ApiTokensPage)],
  ['settings/organization', page(OrganizationPage)],
  ['settings/all-users', page(AllUsersPage)],
];
