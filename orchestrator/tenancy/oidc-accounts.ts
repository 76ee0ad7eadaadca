import type { Clock } from '../../base/clock.ts';
import { newId } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import type { Role } from '../../protocol/roles.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Store, Tx } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { groupsOf, roleOfGroups, usernameOf } from './group-roles.ts';
import { NO_PASSWORD } from './secrets.ts';
import type { Sessions } from './sessions.ts';

/** What a provider's verified answer says of a person. */
export interface OidcClaims {
  issuer: string;
  subject: string;
  claims: Readonly<Record<string, unknown>>;
}

export interface OidcMapping {
  username_claim: string;
  name_claim: string;
  groups_claim: string;
  organizations: Readonly<Record<string, Readonly<Record<string, Role>>>>;
  system_admin_group?: string | undefined;
}

export interface OidcAccounts {
  /**
   * Begins a session for who the provider named: by issuer and subject, never by a name that somebody may choose.
   * Unknown ones become users; their roles follow their groups at each login.
   * @throws AppError `account_disabled`, `oidc_failed`
   */
  signIn(
    person: OidcClaims,
    request: { address: string; userAgent: string; replaces: string | undefined },
  ): Promise<{ token: string }>;
}

export function createOidcAccounts(options: {
  store: Store;
  clock: Clock;
  sessions: Sessions;
  mapping: OidcMapping;
  changed: () => void;
}): OidcAccounts {
  const { store, clock, sessions, mapping, changed } = options;

  const userOf = (tx: Tx, { issuer, subject }: OidcClaims) =>
    tx
      .selectFrom('user_identities')
      .innerJoin('users', 'users.id', 'user_identities.user_id')
      .selectAll('users')
      .where('issuer', '=', issuer)
      .where('subject', '=', subject)
      .executeTakeFirst();

  /** A name that is taken belongs to somebody else: the account of the same name at the provider is another person. */
  async function freeName(tx: Tx, wanted: string): Promise<string> {
    for (let n = 1; n < 1000; n++) {
      const name = n === 1 ? wanted : `${wanted}-${n}`;
      const taken = await tx.selectFrom('users').select('id').where('username', '=', name).executeTakeFirst();
      if (taken === undefined) return name;
    }
    throw new AppError('conflict', { detail: `Too many users are called ${wanted}.` });
  }

  async function create(tx: Tx, person: OidcClaims): Promise<Row<'users'>> {
    const { claims, issuer, subject } = person;
    const wanted = usernameOf([claims[mapping.username_claim], claims['email'], subject]);
    const id = newId('usr', clock);
    const username = await freeName(tx, wanted ?? id);
    const now = clock.now();
    await tx
      .insertInto('users')
      .values({ id, username, password_hash: NO_PASSWORD, created_at: now })
      .execute();
    await tx
      .insertInto('user_identities')
      .values({ issuer, subject, user_id: id, created_at: now })
      .execute();
    await record(tx, {
      at: now,
      organizationId: null,
      action: 'user.create',
      actor: { type: 'user', id, name: username },
      target: id,
      detail: { username, issuer, subject },
    });
    return tx.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  }

  /** Memberships that groups gave are what groups give now; those that people gave are left alone. */
  async function follow(
    tx: Tx,
    user: Row<'users'>,
    groups: ReadonlySet<string>,
    actor: AuditActor,
  ): Promise<boolean> {
    const before = await tx.selectFrom('memberships').selectAll().where('user_id', '=', user.id).execute();
    const organizations = await tx
      .selectFrom('organizations')
      .select(['id', 'name'])
      .where('deleted_at', 'is', null)
      .execute();
    let fewer = false;
    for (const { id, name } of organizations) {
      const present = before.find((row) => row.organization_id === id);
      if (present?.source === 'local') continue;
      const roles = mapping.organizations[name] ?? mapping.organizations[id] ?? {};
      const role = roleOfGroups(groups, roles);
      if (role === present?.role) continue;
      fewer ||= present !== undefined;
      await tx
        .deleteFrom('memberships')
        .where('organization_id', '=', id)
        .where('user_id', '=', user.id)
        .execute();
      if (role !== undefined)
        await tx
          .insertInto('memberships')
          .values({ organization_id: id, user_id: user.id, role, source: 'oidc' })
          .execute();
      const action =
        role === undefined ? 'member.remove' : present === undefined ? 'member.add' : 'member.role';
      await record(tx, {
        at: clock.now(),
        organizationId: id,
        action,
        actor,
        target: user.id,
        detail: { username: user.username, role: role ?? null, before: present?.role ?? null, by: 'groups' },
      });
    }
    return fewer;
  }

  /** With such a group configured, it alone says which of the provider's people rule the orchestrator. */
  async function followSystemAdmin(
    tx: Tx,
    user: Row<'users'>,
    groups: ReadonlySet<string>,
  ): Promise<boolean> {
    if (mapping.system_admin_group === undefined) return false;
    const rules = groups.has(mapping.system_admin_group) ? 1 : 0;
    if (rules === user.system_admin) return false;
    await tx.updateTable('users').set({ system_admin: rules }).where('id', '=', user.id).execute();
    await record(tx, {
      at: clock.now(),
      organizationId: null,
      action: 'user.change',
      actor: { type: 'user', id: user.id, name: user.username },
      target: user.id,
      detail: { username: user.username, system_admin: rules === 1, by: 'groups' },
    });
    return rules === 0;
  }

  return {
    async signIn(person, { address, userAgent, replaces }) {
      const groups = groupsOf(person.claims[mapping.groups_claim]);
      const token = await store.transaction(async (tx) => {
        const user = (await userOf(tx, person)) ?? (await create(tx, person));
        if (user.disabled_at !== null)
          throw new AppError('account_disabled', {
            detail: 'This account is disabled.',
            hint: 'An administrator of the orchestrator can enable it.',
          });
        const actor: AuditActor = { type: 'user', id: user.id, name: user.username };
        const displayName = person.claims[mapping.name_claim];
        if (typeof displayName === 'string')
          await tx
            .updateTable('users')
            .set({ display_name: displayName.replace(/\p{Cc}/gu, '').slice(0, 128) })
            .where('id', '=', user.id)
            .execute();
        const fewer = [
          await follow(tx, user, groups, actor),
          await followSystemAdmin(tx, user, groups),
        ].includes(true);
        if (fewer) await sessions.endAll(tx, user.id);
        const begun = await sessions.begin(tx, {
          userId: user.id,
          method: 'oidc',
          address,
          userAgent,
          replaces,
        });
        await record(tx, {
          at: clock.now(),
          organizationId: null,
          action: 'session.login',
          actor,
          address,
          target: begun.id,
          detail: { method: 'oidc', issuer: person.issuer },
        });
        return begun.token;
      });
      changed();
      return { token };
    },
  };
}
