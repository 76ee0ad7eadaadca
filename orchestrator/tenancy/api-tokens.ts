import { type Clock, isoTime } from '../../base/clock.ts';
import { newId, randomText } from '../../base/random.ts';
import { AppError } from '../../protocol/errors.ts';
import { apiTokenIdSchema } from '../../protocol/ids.ts';
import type { Role } from '../../protocol/roles.ts';
import { type AuditActor, record } from '../audit/audit.ts';
import type { Queryable, Store } from '../store/store.ts';
import { ownerOf } from './person.ts';
import { hashToken } from './secrets.ts';

export interface ApiTokenIdentity {
  id: string;
  name: string;
  organizationId: string;
  role: Role;
  systemAdmin: boolean;
}

export interface ApiTokens {
  find(token: string): Promise<ApiTokenIdentity | undefined>;
  list(
    organizationId: string,
  ): Promise<{ id: string; name: string; created_at: string; last_used_at: string | null }[]>;
  create(request: {
    organizationId: string;
    name: string;
    actor: AuditActor;
    address: string | null;
  }): Promise<{ id: string; token: string; created_at: string }>;
  /** @throws AppError `not_found` */
  revoke(request: {
    organizationId: string;
    id: string;
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
      user_id: token.userId,
    })
    .execute();
}

export function createApiTokens(options: { store: Store; clock: Clock }): ApiTokens {
  const { store, clock } = options;
  return {
    async find(token) {
      const row = await store.db
        .selectFrom('api_tokens')
        .selectAll()
        .where('token_hash', '=', hashToken(token))
        .executeTakeFirst();
      if (row === undefined) return undefined;
      const now = clock.now();
      if (now - Number(row.last_used_at ?? 0) >= LAST_USED_EVERY_MS) {
        await store.db
          .updateTable('api_tokens')
          .set({ last_used_at: now })
          .where('id', '=', row.id)
          .execute();
      }
      return {
        id: row.id,
        name: row.name,
        organizationId: row.organization_id,
        role: row.role,
        systemAdmin: row.system_admin === 1,
      };
    },
    async list(organizationId) {
      const rows = await store.db
        .selectFrom('api_tokens')
        .selectAll()
        .where('organization_id', '=', organizationId)
        .orderBy('id')
        .execute();
      return rows.map((row) => ({
        id: row.id,
        name: row.name,
        created_at: isoTime(Number(row.created_at)),
        last_used_at: row.last_used_at === null ? null : isoTime(Number(row.last_used_at)),
      }));
    },
    async create({ organizationId, name, actor, address }) {
      const now = clock.now();
      const made = { id: apiTokenIdSchema.parse(newId('api', clock)), token: newApiToken() };
      await store.transaction(async (tx) => {
        const userId = await ownerOf(tx, actor);
        await insertApiToken(tx, { ...made, organizationId, name, role: 'admin', userId, now });
        await record(tx, {
          at: now,
          organizationId,
          action: 'api_token.create',
          actor,
          address,
          target: made.id,
          detail: { name },
        });
      });
      return { ...made, created_at: isoTime(now) };
    },
    async revoke({ organizationId, id, actor, address }) {
      await store.transaction(async (tx) => {
        const { numDeletedRows } = await tx
          .deleteFrom('api_tokens')
          .where('organization_id', '=', organizationId)
          .where('id', '=', id)
          .executeTakeFirst();
        if (numDeletedRows === 0n)
          throw new AppError('not_found', { detail: `There is no API token ${id} here.` });
        await record(tx, {
          at: clock.now(),
          organizationId,
          action: 'api_token.revoke',
          actor,
          address,
          target: id,
        });
      });
    },
  };
}
