import { AppError } from '../../protocol/errors.ts';
import { type Permission, permissionsOf, type Role } from '../../protocol/roles.ts';

/** Who gives a right to somebody, within one organization. */
export interface Granter {
  role: Role;
  permissions: ReadonlySet<Permission>;
}

/** What a role allows; scopes keep a part of it, and never add to it. */
export function effectivePermissions(
  role: Role,
  scopes: readonly Permission[] | null,
): ReadonlySet<Permission> {
  const all = permissionsOf(role);
  return scopes === null ? all : new Set(scopes.filter((scope) => all.has(scope)));
}

/**
 * Nobody gives, takes or changes more than he has himself.
 * @throws AppError `forbidden`
 */
export function requireGrantable(granter: Granter, wanted: ReadonlySet<Permission>, what: string): void {
  const missing = [...wanted].filter((permission) => !granter.permissions.has(permission));
  if (missing.length === 0) return;
  throw new AppError('forbidden', {
    detail: `${what} holds rights that you do not have: ${missing.join(', ')}.`,
    hint: 'Nobody grants more than he has. Ask somebody with these rights, or grant less.',
  });
}
