import type { Clock } from '../../base/clock.ts';
import type { TokenRate } from '../../protocol/provisioning-token.ts';
import type { SignInOptions } from '../../protocol/rest-users.ts';
import type { Bus } from '../hub/bus.ts';
import type { Store } from '../store/store.ts';
import { type ApiTokens, createApiTokens } from '../tenancy/api-tokens.ts';
import { createMembers } from '../tenancy/members.ts';
import type { Organizations } from '../tenancy/organizations.ts';
import { createPasswordCheck } from '../tenancy/passwords.ts';
import { createSessions, type SessionLimits } from '../tenancy/sessions.ts';
import { createSignIn } from '../tenancy/sign-in.ts';
import { createThrottle } from '../tenancy/throttle.ts';
import { createUsers } from '../tenancy/users.ts';
import { createUserAuth, type UserAuth } from './auth-user.ts';
import { createLiveAccess, type LiveAccess } from './live-access.ts';
import type { Route } from './route.ts';
import { accountRoutes } from './routes/account.ts';
import { sessionRoutes } from './routes/session.ts';
import { memberRoutes, userRoutes } from './routes/users.ts';

/** Failures of one account from one address, until they are slowed down; from one address in all, three times as many. */
const LOGIN_FAILURES = { limit: 10, windowMs: 5 * 60_000 };
const ADDRESS_FAILURES = { limit: 3 * LOGIN_FAILURES.limit, windowMs: LOGIN_FAILURES.windowMs };

export interface People {
  apiTokens: ApiTokens;
  auth: UserAuth;
  /** For who keeps a connection open. */
  access: LiveAccess;
  routes: Route[];
  close(): void;
}

/** Who people and programs are, how they prove it, and what they do with their accounts. */
export function createPeople(options: {
  store: Store;
  clock: Clock;
  bus: Bus;
  organizations: Organizations;
  sessionLimits: SessionLimits;
  /** Wrong credentials from one address, until they are no more looked at. */
  failures: TokenRate;
}): People {
  const { store, clock, bus, organizations, sessionLimits, failures } = options;
  const changed = () => bus.publish({ topic: 'access' });
  const apiTokens = createApiTokens({ store, clock, changed });
  const sessions = createSessions({ store, clock, limits: sessionLimits, changed });
  const auth = createUserAuth({
    apiTokens,
    sessions,
    organizations,
    throttle: createThrottle({ clock, limit: failures.uses, windowMs: failures.window_s * 1000 }),
  });
  const access = createLiveAccess({ callerOf: auth.callerOf, bus, clock });
  const signIn = createSignIn({
    store,
    clock,
    sessions,
    checkPassword: createPasswordCheck(),
    throttle: createThrottle({ clock, ...LOGIN_FAILURES }),
    addressThrottle: createThrottle({ clock, ...ADDRESS_FAILURES }),
    localLogin: 'everyone',
    changed,
  });
  const signInOptions: SignInOptions = { password: true, oidc: null };
  return {
    apiTokens,
    auth,
    access,
    routes: [
      ...sessionRoutes({ signIn, sessions, organizations, signInOptions }),
      ...accountRoutes({ signIn, sessions }),
      ...memberRoutes({ members: createMembers({ store, clock, sessions, changed }) }),
      ...userRoutes({ users: createUsers({ store, clock, sessions, changed }) }),
    ],
    close: () => access.close(),
  };
}
