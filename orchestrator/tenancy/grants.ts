import { AppError } from '../../protocol/errors.ts';
import { type Permission, permissionsOf, type Role } from '../../protocol/roles.ts';

/** Who gives a right to somebody, within one organization. */
export interface Granter {
  role: Role;
  permissions: ReadonlySet<Permission>;
}

/** The most that two roles both allow. */
export function commonRole(a: Role, b: Role): Role {
  const within = (one: Role, other: Role) =>
    [...permissionsOf(one)].every((p) => permissionsOf(other).has(p));
  if (within(a, b)) return a;
  return within(b, a) ? b : 'viewer';
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
