import type { Clock } from '../../base/clock.ts';
import { newId, randomText } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { userIdSchema } from '../../protocol/ids.ts';
import { record, SYSTEM_ACTOR } from '../audit/audit.ts';
import type { Queryable, Store } from '../store/store.ts';
import { insertApiToken, newApiToken } from './api-tokens.ts';
import { DEFAULT_ORGANIZATION, type Organizations } from './organizations.ts';
import { hashPassword, hashToken, NO_PASSWORD, verifyPassword } from './secrets.ts';

export const ADMIN_USER = 'admin';
const ADMIN_TOKEN_NAME = 'admin';

/** What the operator wants instead of generated credentials. */
export interface GivenCredentials {
  password?: string | undefined;
  apiToken?: string | undefined;
  /** The token stands in the variable that the client's commands use: nobody chose it for a reset. */
  apiTokenIsClients?: boolean | undefined;
}
export interface AdminCredentials {
  admin_user: string;
  admin_password: string;
  api_token: string;
}

/** Where each credential came from; `replaced` was given, but is in force already, `ignored` is not meant for this. */
type Origin = 'made' | 'given' | 'replaced' | 'ignored';
export interface MadeCredentials {
  credentials: AdminCredentials;
  origin: { password: Origin; apiToken: Origin };
}

const originOf = (given: string | undefined): Origin => (given === undefined ? 'made' : 'given');

interface AdminState {
  userId: string;
  organizationId: string;
  passwordHash: string;
  tokenHash: string | undefined;
  shown: boolean;
}

async function readAdmin(db: Queryable): Promise<AdminState> {
  const user = await db
    .selectFrom('users')
    .selectAll()
    .where('username', '=', ADMIN_USER)
    .executeTakeFirstOrThrow();
  const organization = await db
    .selectFrom('organizations')
    .select('id')
    .where('name', '=', DEFAULT_ORGANIZATION)
    .executeTakeFirstOrThrow();
  const token = await db
    .selectFrom('api_tokens')
    .select('token_hash')
    .where('name', '=', ADMIN_TOKEN_NAME)
    .where('system_admin', '=', 1)
    .executeTakeFirst();
  const shown = await db
    .selectFrom('settings')
    .select('key')
    .where('key', '=', 'bootstrapped')
    .executeTakeFirst();
  return {
    userId: user.id,
    organizationId: organization.id,
    passwordHash: user.password_hash,
    tokenHash: token?.token_hash,
    shown: shown !== undefined,
  };
}

/** The organization `default` and its admin, whose credentials are not set yet. Safe to run in several processes at once. */
export async function ensureDefaults(options: { clock: Clock; organizations: Organizations }): Promise<void> {
  const { clock, organizations } = options;
  if (await organizations.find(DEFAULT_ORGANIZATION)) return;
  const userId = userIdSchema.parse(newId('usr', clock));
  try {
    await organizations.create({
      name: DEFAULT_ORGANIZATION,
      actor: SYSTEM_ACTOR,
      also: async (tx, organizationId) => {
        await tx
          .insertInto('users')
          .values({
            id: userId,
            username: ADMIN_USER,
            password_hash: NO_PASSWORD,
            created_at: clock.now(),
            system_admin: 1,
          })
          .execute();
        await tx
          .insertInto('memberships')
          .values({ organization_id: organizationId, user_id: userId, role: 'admin' })
          .execute();
      },
    });
  } catch (cause) {
    // Another process was first.
    if (!(await organizations.find(DEFAULT_ORGANIZATION))) throw cause;
  }
}

async function setPassword(tx: Queryable, admin: AdminState, hash: string): Promise<void> {
  await tx.updateTable('users').set({ password_hash: hash }).where('id', '=', admin.userId).execute();
  // Who knew the old password may be logged in.
  await tx.deleteFrom('web_sessions').where('user_id', '=', admin.userId).execute();
}

async function setToken(tx: Queryable, admin: AdminState, token: string, clock: Clock): Promise<void> {
  await tx
    .deleteFrom('api_tokens')
    .where((eb) =>
      eb.or([
        eb.and([eb('name', '=', ADMIN_TOKEN_NAME), eb('system_admin', '=', 1)]),
        eb('token_hash', '=', hashToken(token)),
      ]),
    )
    .execute();
  await insertApiToken(tx, {
    id: newId('api', clock),
    organizationId: admin.organizationId,
    token,
    name: ADMIN_TOKEN_NAME,
    role: 'admin',
    systemAdmin: true,
    userId: admin.userId,
    now: clock.now(),
  });
}

async function audit(
  tx: Queryable,
  admin: AdminState,
  action: string,
  clock: Clock,
  what: string[],
): Promise<void> {
  await record(tx, {
    at: clock.now(),
    organizationId: admin.organizationId,
    action,
    actor: SYSTEM_ACTOR,
    target: admin.userId,
    detail: { changed: what },
  });
}

/** Makes the admin's credentials what the environment says; each start of the server calls it. */
export async function applyGivenCredentials(options: {
  store: Store;
  clock: Clock;
  given: GivenCredentials;
}): Promise<void> {
  const { store, clock, given } = options;
  if (given.password === undefined && given.apiToken === undefined) return;
  const before = await readAdmin(store.db);
  const newPassword =
    given.password !== undefined && !(await verifyPassword(given.password, before.passwordHash));
  const newToken = given.apiToken !== undefined && hashToken(given.apiToken) !== before.tokenHash;
  const passwordHash = newPassword ? await hashPassword(given.password ?? '') : undefined;
  await store.transaction(async (tx) => {
    const admin = await readAdmin(tx);
    if (passwordHash !== undefined) await setPassword(tx, admin, passwordHash);
    if (newToken) await setToken(tx, admin, given.apiToken ?? '', clock);
    const what = [...(newPassword ? ['password'] : []), ...(newToken ? ['api_token'] : [])];
    if (what.length > 0) await audit(tx, admin, 'admin.from_environment', clock, what);
  });
}

/**
 * Sets the credentials that nobody has yet and returns them, once.
 * @throws AppError `conflict` when they were shown before, or one was set by an environment that this process does not have.
 */
export async function bootstrapAdmin(options: {
  store: Store;
  clock: Clock;
  given: GivenCredentials;
}): Promise<MadeCredentials> {
  const { store, clock, given } = options;
  const password = given.password ?? randomText(24);
  const apiToken = given.apiToken ?? newApiToken();
  const passwordHash = await hashPassword(password);
  const before = await readAdmin(store.db);
  const samePassword =
    given.password !== undefined && (await verifyPassword(given.password, before.passwordHash));
  return store.transaction(async (tx) => {
    const admin = await readAdmin(tx);
    const passwordTaken = admin.passwordHash !== NO_PASSWORD && !samePassword;
    const tokenTaken = admin.tokenHash !== undefined && admin.tokenHash !== hashToken(apiToken);
    if (admin.shown || passwordTaken || tokenTaken) {
      throw new AppError('conflict', {
        detail: admin.shown
          ? 'The first credentials were already printed; they are kept as hashes and cannot be shown again.'
          : 'The credentials were set by the environment of `serve` (VM_ORCHESTRATOR_ADMIN_PASSWORD, VM_ORCHESTRATOR_API_TOKEN); use those.',
        hint: 'Run `vm-orchestrator admin reset --data DIR` on this machine to make new ones.',
      });
    }
    if (!samePassword) await setPassword(tx, admin, passwordHash);
    if (admin.tokenHash === undefined) await setToken(tx, admin, apiToken, clock);
    await tx
      .insertInto('settings')
      .values({ key: 'bootstrapped', value: String(clock.now()) })
      .execute();
    await audit(tx, admin, 'admin.bootstrap', clock, ['password', 'api_token']);
    return {
      credentials: { admin_user: ADMIN_USER, admin_password: password, api_token: apiToken },
      origin: { password: originOf(given.password), apiToken: originOf(given.apiToken) },
    };
  });
}

/**
 * New credentials for the admin, for whoever holds the machine; the old ones end. Never one that is in force, the
 * admin's or another's, and never what a shell has for client commands: who resets wants to be rid of a token, which
 * may have been revoked a minute ago and stand in just that variable.
 */
export async function resetAdmin(options: {
  store: Store;
  clock: Clock;
  given: GivenCredentials;
}): Promise<MadeCredentials> {
  const { store, clock, given } = options;
  const before = await readAdmin(store.db);
  const stalePassword =
    given.password !== undefined && (await verifyPassword(given.password, before.passwordHash));
  const staleToken =
    given.apiToken !== undefined &&
    (await store.db
      .selectFrom('api_tokens')
      .select('id')
      .where('token_hash', '=', hashToken(given.apiToken))
      .executeTakeFirst()) !== undefined;
  const password = (stalePassword ? undefined : given.password) ?? randomText(24);
  const chosenToken = staleToken || given.apiTokenIsClients === true ? undefined : given.apiToken;
  const apiToken = chosenToken ?? newApiToken();
  const passwordHash = await hashPassword(password);
  await store.transaction(async (tx) => {
    const admin = await readAdmin(tx);
    await setPassword(tx, admin, passwordHash);
    // Whoever holds the machine is never locked out of it.
    await tx
      .updateTable('users')
      .set({ disabled_at: null, system_admin: 1 })
      .where('id', '=', admin.userId)
      .execute();
    await setToken(tx, admin, apiToken, clock);
    // Whoever locked him out does not keep out who holds the machine.
    await tx
      .deleteFrom('locks')
      .where('target_type', '=', 'user')
      .where('target', '=', admin.userId)
      .execute();
    if (staleToken) {
      await tx
        .deleteFrom('api_tokens')
        .where('token_hash', '=', hashToken(given.apiToken ?? ''))
        .execute();
    }
    if (!admin.shown) {
      await tx
        .insertInto('settings')
        .values({ key: 'bootstrapped', value: String(clock.now()) })
        .execute();
    }
    await audit(tx, admin, 'admin.reset', clock, ['password', 'api_token']);
  });
  return {
    credentials: { admin_user: ADMIN_USER, admin_password: password, api_token: apiToken },
    origin: {
      password: stalePassword ? 'replaced' : originOf(given.password),
      apiToken: staleToken
        ? 'replaced'
        : chosenToken === undefined && given.apiToken !== undefined
          ? 'ignored'
          : originOf(given.apiToken),
    },
  };
}
