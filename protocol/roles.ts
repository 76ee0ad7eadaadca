import { z } from 'zod';

/** What a person or an API token may do within one organization. */
export const ROLES = ['viewer', 'operator', 'approver', 'admin'] as const;
// Pure: the page needs the names below, and not the schemas with all that makes them.
export const roleSchema = /* @__PURE__ */ z.enum(ROLES);
export type Role = (typeof ROLES)[number];

const VIEWER = [
  'organization.read',
  'agents.read',
  'metrics.read',
  'jobs.read',
  'schedules.read',
  'approvals.read',
] as const;
/** Operators work on machines: they run commands, look into them, and add new ones. */
const OPERATOR = [
  'jobs.run',
  'schedules.write',
  'inspect.read',
  'files.read',
  'files.write',
  'terminal.open',
  'provisioning.read',
  'provisioning.write',
] as const;
/** Approvers decide on what others ask for, and see what was done. */
const APPROVER = ['approvals.decide', 'audit.read', 'recordings.read'] as const;
const ADMIN = [
  'organization.write',
  'agents.write',
  'approval_rules.write',
  'locks.write',
  'users.read',
  'users.write',
  'api_tokens.read',
  'api_tokens.write',
  'audit.write',
  'recordings.write',
] as const;

/**
 * One right within an organization. Every route that people use names the one it needs; a role is a set of them, and
 * an API token may hold fewer than its role has (its scopes).
 */
export const PERMISSIONS = [...VIEWER, ...OPERATOR, ...APPROVER, ...ADMIN] as const;
export const permissionSchema = /* @__PURE__ */ z.enum(PERMISSIONS);
export type Permission = (typeof PERMISSIONS)[number];

const SETS: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  viewer: new Set(VIEWER),
  operator: new Set([...VIEWER, ...OPERATOR]),
  approver: new Set([...VIEWER, ...APPROVER]),
  admin: new Set(PERMISSIONS),
};

export const permissionsOf = (role: Role): ReadonlySet<Permission> => SETS[role];

/** The roles that hold a right, for the words of a refusal. */
export const rolesWith = (permission: Permission): Role[] =>
  ROLES.filter((role) => SETS[role].has(permission));
