import type { Whoami } from '../../../protocol/rest-fleet.ts';
import { createStore } from '../net/store.ts';

export interface Session {
  user: string;
  organizations: Whoami['organizations'];
  org: string;
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
  const session = { user: who.actor.name, organizations: who.organizations, org: chosen?.id ?? '' };
  sessionState.set({ kind: 'in', session });
}

export function chooseOrganization(session: Session, org: string): void {
  localStorage.setItem(ORG_KEY, org);
  sessionState.set({ kind: 'in', session: { ...session, org } });
}
