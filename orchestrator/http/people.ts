import type { Clock } from '../../base/clock.ts';
import type { TokenRate } from '../../protocol/provisioning-token.ts';
import type { SignInOptions } from '../../protocol/rest-users.ts';
import type { Bus } from '../hub/bus.ts';
import type { OidcConfig } from '../oidc-config.ts';
import type { Sealer } from '../store/sealed.ts';
import type { Store } from '../store/store.ts';
import { type ApiTokens, createApiTokens } from '../tenancy/api-tokens.ts';
import { createMembers } from '../tenancy/members.ts';
import { createOidcAccounts } from '../tenancy/oidc-accounts.ts';
import type { Organizations } from '../tenancy/organizations.ts';
import { createPasswordCheck } from '../tenancy/passwords.ts';
import { createSessions, type SessionLimits } from '../tenancy/sessions.ts';
import { createSignIn } from '../tenancy/sign-in.ts';
import { createThrottle } from '../tenancy/throttle.ts';
import { createUsers } from '../tenancy/users.ts';
import { createUserAuth, type UserAuth } from './auth-user.ts';
import { createLiveAccess, type LiveAccess } from './live-access.ts';
import { createOidcClient } from './oidc-client.ts';
import type { Route } from './route.ts';
import { accountRoutes } from './routes/account.ts';
import { OIDC_LOGIN, oidcRoutes } from './routes/oidc.ts';
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
  /** Call it after the commit of what takes rights away. */
  accessChanged: () => void;
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
  /** Undefined: people sign in by passwords alone. */
  oidc: OidcConfig | undefined;
  sealer: Sealer;
  publicOrigin: () => string;
  /** Somebody came with an API token that is none. */
  apiTokenRefused: (address: string) => Promise<void>;
}): People {
  const { store, clock, bus, organizations, sessionLimits, failures, oidc, sealer, publicOrigin } = options;
  const changed = () => bus.publish({ topic: 'access' });
  const apiTokens = createApiTokens({ store, clock, changed });
  const sessions = createSessions({ store, clock, limits: sessionLimits, changed });
  const auth = createUserAuth({
    apiTokens,
    sessions,
    organizations,
    throttle: createThrottle({ clock, limit: failures.uses, windowMs: failures.window_s * 1000 }),
    refused: options.apiTokenRefused,
  });
  const access = createLiveAccess({ callerOf: auth.callerOf, bus, clock });
  const signIn = createSignIn({
    store,
    clock,
    sessions,
    checkPassword: createPasswordCheck(),
    throttle: createThrottle({ clock, ...LOGIN_FAILURES }),
    addressThrottle: createThrottle({ clock, ...ADDRESS_FAILURES }),
    localLogin: oidc?.local_login ?? 'everyone',
    changed,
  });
  const signInOptions: SignInOptions = {
    password: true,
    oidc: oidc === undefined ? null : { name: oidc.name, url: OIDC_LOGIN },
  };
  return {
    apiTokens,
    auth,
    access,
    accessChanged: changed,
    routes: [
      ...sessionRoutes({ signIn, sessions, organizations, signInOptions }),
      ...accountRoutes({ signIn, sessions, apiTokens }),
      ...memberRoutes({ members: createMembers({ store, clock, sessions, changed }) }),
      ...(oidc === undefined
        ? []
        : oidcRoutes({
            client: createOidcClient(oidc),
            accounts: createOidcAccounts({ store, clock, sessions, mapping: oidc, changed }),
            sealer,
            now: () => clock.now(),
            lifetimeS: sessionLimits.lifetime_s,
            publicOrigin,
          })),
      ...userRoutes({ users: createUsers({ store, clock, sessions, changed }) }),
    ],
    close: () => access.close(),
  };
}
