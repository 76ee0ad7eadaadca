import type { Whoami } from '../../../protocol/rest-fleet.ts';
import type { Permission } from '../../../protocol/roles.ts';
import { createStore } from '../net/store.ts';

export interface Session {
  user: string;
  userId: string;
  organizations: Whoami['organizations'];
  org: string;
  /** Rules the whole orchestrator. */
  systemAdmin: boolean;
}

export type SessionState =
  | { kind: 'starting' }
  | { kind: 'out'; expired: boolean }
  | { kind: 'in'; session: Session };

export const sessionState = createStore<SessionState>({ kind: 'starting' });

const ORG_KEY = 'organization';

export function enterSession(who: Whoami): void {
  const [first] = who.organizations;
  const kept = localStorage.getItem(ORG_KEY);
  const chosen = who.organizations.find(({ id }) => id === kept) ?? first;
  const session = {
    user: who.actor.name,
    userId: who.actor.id,
    systemAdmin: who.system_admin,
    organizations: who.organizations,
    org: chosen?.id ?? '',
  };
  sessionState.set({ kind: 'in', session });
}

/** Whether the person may do this in the organization that is looked at. */
export const may = (session: Session, permission: Permission): boolean =>
  session.organizations.find(({ id }) => id === session.org)?.permissions.includes(permission) ?? false;

export function chooseOrganization(session: Session, org: string): void {
  localStorage.setItem(ORG_KEY, org);
  sessionState.set({ kind: 'in', session: { ...session, org } });
}
