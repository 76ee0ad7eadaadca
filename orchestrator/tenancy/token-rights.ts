import type { Role } from '../../protocol/roles.ts';
import type { Queryable } from '../store/store.ts';
import type { Row } from '../store/tables.ts';
import { commonRole } from './grants.ts';

/** Tokens with the user whom each belongs to, and what he is by now where the token counts. */
export const selectTokens = (db: Queryable) =>
  db
    .selectFrom('api_tokens')
    .leftJoin('users', 'users.id', 'api_tokens.user_id')
    .leftJoin('memberships', (join) =>
      join
        .onRef('memberships.user_id', '=', 'api_tokens.user_id')
        .onRef('memberships.organization_id', '=', 'api_tokens.organization_id'),
    )
    .selectAll('api_tokens')
    .select([
      'users.username as owner_name',
      'users.disabled_at as owner_disabled_at',
      'users.system_admin as owner_system_admin',
      'memberships.role as owner_role',
    ]);

export type OwnedToken = Pick<Row<'api_tokens'>, 'user_id' | 'role' | 'system_admin'> & {
  owner_name: string | null;
  owner_disabled_at: number | null;
  owner_system_admin: number | null;
  owner_role: Role | null;
};

export type TokenRights =
  | { allowed: true; role: Role; systemAdmin: boolean }
  | { allowed: false; why: string };

/**
 * What a token allows by now: never more than its user may in that organization. What belongs to nobody keeps what it
 * was made with. Pure.
 */
export function rightsOf(token: OwnedToken): TokenRights {
  const systemAdmin = token.system_admin === 1;
  if (token.user_id === null) return { allowed: true, role: token.role, systemAdmin };
  const name = token.owner_name ?? token.user_id;
  if (token.owner_name === null) return { allowed: false, why: `its user ${name} is not there any more` };
  if (token.owner_disabled_at !== null) return { allowed: false, why: `its user ${name} is disabled` };
  const rules = token.owner_system_admin === 1;
  const role = rules ? 'admin' : token.owner_role;
  if (role === null) return { allowed: false, why: `its user ${name} is not in this organization any more` };
  return { allowed: true, role: commonRole(token.role, role), systemAdmin: systemAdmin && rules };
}
