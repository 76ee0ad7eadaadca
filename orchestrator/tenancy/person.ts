import type { Role } from '../../protocol/roles.ts';
import type { Queryable } from '../store/store.ts';
import { rightsOf, selectTokens } from './token-rights.ts';

/** Somebody as rules and locks see him, whichever of his credentials he used. */
export interface Person {
  /** The user; of a token that is nobody's, the token itself. */
  id: string;
  /** Every identifier that names him here: his own, and that of the token he used. */
  ids: readonly string[];
  /** His role in the organization that was asked about. */
  role: Role | undefined;
}

/** Who is behind an actor. The orchestrator itself is nobody. */
export async function personOf(
  db: Queryable,
  organizationId: string,
  actor: { type: string; id: string },
): Promise<Person> {
  if (actor.type === 'system') return { id: actor.id, ids: [], role: undefined };
  if (actor.type === 'api_token') {
    const token = await selectTokens(db).where('api_tokens.id', '=', actor.id).executeTakeFirst();
    const id = token?.user_id ?? actor.id;
    const rights = token && rightsOf(token);
    const role = rights?.allowed ? (rights.systemAdmin ? 'admin' : rights.role) : undefined;
    return { id, ids: [...new Set([id, actor.id])], role };
  }
  const user = await db
    .selectFrom('users')
    .leftJoin('memberships', (join) =>
      join
        .onRef('memberships.user_id', '=', 'users.id')
        .on('memberships.organization_id', '=', organizationId),
    )
    .select(['memberships.role', 'users.system_admin'])
    .where('users.id', '=', actor.id)
    .executeTakeFirst();
  const role = user?.system_admin === 1 ? 'admin' : (user?.role ?? undefined);
  return { id: actor.id, ids: [actor.id], role };
}

/** The user whom a token that somebody makes belongs to. */
export async function ownerOf(db: Queryable, actor: { type: string; id: string }): Promise<string | null> {
  if (actor.type === 'user') return actor.id;
  if (actor.type !== 'api_token') return null;
  const row = await db
    .selectFrom('api_tokens')
    .select('user_id')
    .where('id', '=', actor.id)
    .executeTakeFirst();
  return row?.user_id ?? null;
}
