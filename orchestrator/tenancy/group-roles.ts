import { ROLES, type Role } from '../../protocol/roles.ts';

/** Who has more rights comes later; approver and operator are different, and the one who acts wins. */
const RANK: Readonly<Record<Role, number>> = { viewer: 0, approver: 1, operator: 2, admin: 3 };

/** The highest role that these groups give; undefined: none. */
export function roleOfGroups(
  groups: ReadonlySet<string>,
  mapping: Readonly<Record<string, Role>>,
): Role | undefined {
  const given = ROLES.filter((role) =>
    Object.entries(mapping).some(([group, mapped]) => mapped === role && groups.has(group)),
  );
  return given.toSorted((a, b) => RANK[b] - RANK[a])[0];
}

/** A list of names, one name, or nothing; whatever else a provider sends gives no rights. */
export function groupsOf(claim: unknown): ReadonlySet<string> {
  if (typeof claim === 'string') return new Set([claim]);
  if (!Array.isArray(claim)) return new Set();
  return new Set(claim.filter((group) => typeof group === 'string'));
}

/** A user name from what the provider says; undefined when nothing of it can be one. */
export function usernameOf(claims: readonly unknown[]): string | undefined {
  for (const claim of claims) {
    if (typeof claim !== 'string') continue;
    const name = claim
      .normalize('NFKD')
      .replace(/\p{M}+/gu, '')
      .replace(/[^A-Za-z0-9._@+-]+/g, '-')
      .slice(0, 100)
      .replace(/^[^A-Za-z0-9]+|(?<=[A-Za-z0-9])[^A-Za-z0-9]+$/g, '');
    if (name !== '') return name;
  }
  return undefined;
}
