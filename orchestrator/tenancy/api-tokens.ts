import type { z } from 'zod';
import { type Clock, isoTime } from '../../base/clock.ts';
import { newId, randomText } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { apiTokenIdSchema } from '../../protocol/ids.ts';
import type { ApiToken, createApiTokenRequestSchema } from '../../protocol/rest-fleet.ts';
import { type Permission, permissionSchema, type Role } from '../../protocol/roles.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import { cutPage, type Page, type PageRequest } from '../store/page.ts';
import type { Queryable, Store } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { effectivePermissions, type Granter, requireGrantable } from './grants.ts';
import { ownerOf } from './person.ts';
import { hashToken } from './secrets.ts';
import { rightsOf, selectTokens } from './token-rights.ts';

export interface ApiTokenIdentity {
  id: string;
  name: string;
  organizationId: string;
  /** No more than its user has by now. */
  role: Role;
  /** Null: everything that the role allows. */
  scopes: readonly Permission[] | null;
  systemAdmin: boolean;
}

export interface ApiTokens {
  /** @throws AppError `unauthenticated` when it was known, and has expired, or its user may nothing here any more. */
  find(token: string): Promise<ApiTokenIdentity | undefined>;
  /** For who holds a connection open: whether it still counts. */
  byId(id: string): Promise<ApiTokenIdentity | undefined>;
  list(organizationId: string, page: PageRequest): Promise<Page<ApiToken>>;
  /** Those of one user, in all organizations. */
  listOwn(userId: string, page: PageRequest): Promise<Page<ApiToken>>;
  /** @throws AppError `not_found` when it is not his */
  revokeOwn(request: {
    userId: string;
    id: string;
    actor: AuditActor;
    address: string | null;
  }): Promise<void>;
  /** @throws AppError `forbidden` when it would hold more than its maker. */
  create(request: {
    organizationId: string;
    wanted: z.output<typeof createApiTokenRequestSchema>;
    granter: Granter & { systemAdmin: boolean };
    actor: AuditActor;
    address: string | null;
  }): Promise<ApiToken & { token: string }>;
  /** @throws AppError `not_found`, `forbidden` */
  revoke(request: {
    organizationId: string;
    id: string;
    granter: { systemAdmin: boolean };
    actor: AuditActor;
    address: string | null;
  }): Promise<void>;
}

/** `last_used_at` is for people; writing it once a minute keeps reads from becoming writes. */
const LAST_USED_EVERY_MS = 60_000;

export const newApiToken = (): string => `vmo_${randomText(43)}`;

export async function insertApiToken(
  tx: Queryable,
  token: {
    id: string;
    organizationId: string;
    token: string;
    name: string;
    role: Role;
    systemAdmin?: boolean;
    scopes?: readonly Permission[] | null;
    expiresAt?: number | null;
    createdBy?: string;
    /** Whose it is. */
    userId: string | null;
    now: number;
  },
): Promise<void> {
  await tx
    .insertInto('api_tokens')
    .values({
      id: token.id,
      organization_id: token.organizationId,
      token_hash: hashToken(token.token),
      name: token.name,
      role: token.role,
      system_admin: token.systemAdmin ? 1 : 0,
      created_at: token.now,
      last_used_at: null,
      scopes: token.scopes ? JSON.stringify(token.scopes) : null,
      expires_at: token.expiresAt ?? null,
      created_by: token.createdBy ?? '',
      user_id: token.userId,
    })
    .execute();
}

/** A right that this version does not know allows nothing. */
function scopesOf(row: Pick<Row<'api_tokens'>, 'scopes'>): Permission[] | null {
  if (row.scopes === null) return null;
  return (JSON.parse(row.scopes) as unknown[]).flatMap(
    (scope) => permissionSchema.safeParse(scope).data ?? [],
  );
}

const identity = (
  row: Row<'api_tokens'>,
  { role, systemAdmin }: { role: Role; systemAdmin: boolean },
): ApiTokenIdentity => ({
  id: row.id,
  name: row.name,
  organizationId: row.organization_id,
  role,
  scopes: scopesOf(row),
  systemAdmin,
});

const time = (ms: number | null): string | null => (ms === null ? null : isoTime(Number(ms)));

const shown = (row: Row<'api_tokens'>): ApiToken => ({
  id: apiTokenIdSchema.parse(row.id),
  name: row.name,
  role: row.role,
  scopes: scopesOf(row),
  system_admin: row.system_admin === 1,
  created_at: isoTime(Number(row.created_at)),
  created_by: row.created_by,
  expires_at: time(row.expires_at),
  last_used_at: time(row.last_used_at),
});

export function createApiTokens(options: {
  store: Store;
  clock: Clock;
  /** After the commit: what is open with this token is looked at again. */
  changed: () => void;
}): ApiTokens {
  const { store, clock, changed } = options;
  const expired = (row: Row<'api_tokens'>) =>
    row.expires_at !== null && Number(row.expires_at) <= clock.now();
  const of = (db: Queryable, organizationId: string) =>
    db.selectFrom('api_tokens').selectAll().where('organization_id', '=', organizationId);
  return {
    async find(token) {
      const row = await selectTokens(store.db)
        .where('api_tokens.token_hash', '=', hashToken(token))
        .executeTakeFirst();
      if (row === undefined) return undefined;
      if (expired(row))
        throw new AppError('unauthenticated', {
          detail: 'The API token has expired.',
          hint: 'Make a new one: vm-orchestrator api-tokens create, or Settings in the dashboard.',
        });
      const rights = rightsOf(row);
      if (!rights.allowed)
        throw new AppError('unauthenticated', {
          detail: `The API token counts no more: ${rights.why}.`,
          hint: 'A token may never do more than the user who made it. Use one of somebody who may.',
        });
      const now = clock.now();
      if (now - Number(row.last_used_at ?? 0) >= LAST_USED_EVERY_MS) {
        await store.db
          .updateTable('api_tokens')
          .set({ last_used_at: now })
          .where('organization_id', '=', row.organization_id)
          .where('id', '=', row.id)
          .execute();
      }
      return identity(row, rights);
    },
    async byId(id) {
      const row = await selectTokens(store.db).where('api_tokens.id', '=', id).executeTakeFirst();
      if (row === undefined || expired(row)) return undefined;
      const rights = rightsOf(row);
      return rights.allowed ? identity(row, rights) : undefined;
    },
    async list(organizationId, { after, limit }) {
      const rows = await of(store.db, organizationId)
        .where('id', '>', after ?? '')
        .orderBy('id')
        .limit(limit + 1)
        .execute();
      return cutPage(rows, limit, { keyOf: ({ id }) => id, show: shown });
    },
    async listOwn(userId, { after, limit }) {
      const rows = await store.db
        .selectFrom('api_tokens')
        .selectAll()
        .where('user_id', '=', userId)
        .where('id', '>', after ?? '')
        .orderBy('id')
        .limit(limit + 1)
        .execute();
      return cutPage(rows, limit, { keyOf: ({ id }) => id, show: shown });
    },
    async revokeOwn({ userId, id, actor, address }) {
      await store.transaction(async (tx) => {
        const row = await tx
          .deleteFrom('api_tokens')
          .where('user_id', '=', userId)
          .where('id', '=', id)
          .returning('organization_id')
          .executeTakeFirst();
        if (row === undefined) throw new AppError('not_found', { detail: `You have no API token ${id}.` });
        const organizationId = row.organization_id;
        const action = 'api_token.revoke';
        await record(tx, { at: clock.now(), organizationId, action, actor, address, target: id });
      });
      changed();
    },
    async create({ organizationId, wanted, granter, actor, address }) {
      const { name, role, scopes = null, system_admin, ttl_s } = wanted;
      if (system_admin && !granter.systemAdmin)
        throw new AppError('forbidden', {
          detail: 'Only an administrator of the whole orchestrator makes tokens that rule all of it.',
        });
      if (system_admin && (scopes !== null || role !== 'admin'))
        throw new AppError('bad_request', {
          detail: 'A token of the whole orchestrator has the role admin and no scopes.',
          hint: 'Leave out system_admin for a narrower token.',
        });
      requireGrantable(granter, effectivePermissions(role, scopes), 'This token');
      const now = clock.now();
      const made = { id: newId('api', clock), token: newApiToken() };
      const expiresAt = ttl_s === undefined ? null : now + ttl_s * 1000;
      return store.transaction(async (tx) => {
        await insertApiToken(tx, {
          ...made,
          organizationId,
          name,
          role,
          scopes,
          systemAdmin: system_admin,
          expiresAt,
          createdBy: actor.name,
          userId: await ownerOf(tx, actor),
          now,
        });
        await record(tx, {
          at: now,
          organizationId,
          action: 'api_token.create',
          actor,
          address,
          target: made.id,
          detail: { name, role, scopes, system_admin, expires_at: time(expiresAt) },
        });
        const row = await of(tx, organizationId).where('id', '=', made.id).executeTakeFirstOrThrow();
        return { ...shown(row), token: made.token };
      });
    },
    async revoke({ organizationId, id, granter, actor, address }) {
      await store.transaction(async (tx) => {
        const row = await of(tx, organizationId).where('id', '=', id).executeTakeFirst();
        if (row === undefined)
          throw new AppError('not_found', { detail: `There is no API token ${id} here.` });
        if (row.system_admin === 1 && !granter.systemAdmin)
          throw new AppError('forbidden', {
            detail: 'This token rules the whole orchestrator; only such an administrator ends it.',
          });
        await tx
          .deleteFrom('api_tokens')
          .where('organization_id', '=', organizationId)
          .where('id', '=', id)
          .execute();
        await record(tx, {
          at: clock.now(),
          organizationId,
          action: 'api_token.revoke',
          actor,
          address,
          target: id,
        });
      });
      changed();
    },
  };
}
