import { z } from 'zod';

/** The grant of somebody's command that the orchestrator has signed. */
export const ORCHESTRATOR_GRANT = 'orchestrator';
/** The grant of who holds this VM's API key. */
export const LOCAL_API_GRANT = 'local-api';
/** `client:<id>`: the grant of a client certificate with that id. */
export const CLIENT_GRANT_PREFIX = 'client:';

const GRANT_NAME = /^(orchestrator|local-api|client:[A-Za-z0-9][A-Za-z0-9._@-]{0,127})$/;

const toolName = z
  .string()
  .regex(/^(\*|[a-z][a-z0-9_]{0,63})$/, 'must be the name of a tool, or "*" for all of them');
const root = z
  .string()
  .max(4096)
  .startsWith('/', 'must be an absolute path')
  .refine((path) => !path.includes('\0'), 'must not contain a NUL byte')
  .refine(
    (path) => path === '/' || !/\/(\.{0,2})(\/|$)/.test(path),
    'must be plain: no "//", "." or "..", no "/" at its end',
  );

const grantSchema = z.strictObject({
  tools: z.strictObject({
    allow: z.array(toolName).describe('tools that may be called'),
    deny: z.array(toolName).default([]).describe('exceptions; they win'),
  }),
  roots: z
    .strictObject({
      read: z.array(root).default([]).describe('folders that file tools may read, with all below'),
      write: z.array(root).default([]).describe('folders that file tools may write, with all below'),
    })
    .prefault({}),
});
export type Grant = z.infer<typeof grantSchema>;

/**
 * `policy.yaml`: what each kind of caller may do on this VM. Who has no grant may do nothing, and a grant that names
 * no roots opens no file. Unknown keys are errors.
 */
export const policySchema = z.strictObject({
  version: z.literal(1, 'must be 1'),
  grants: z.record(z.string().regex(GRANT_NAME), grantSchema, {
    error: ({ code }) =>
      code === 'invalid_key'
        ? 'must be orchestrator, local-api or client:<id of a client certificate>'
        : undefined,
  }),
  upgrade: z
    .union([z.enum(['allow', 'deny']), z.strictObject({ versions: z.array(z.string()).min(1) })], {
      error: () => 'must be allow, deny, or {versions: [...]}',
    })
    .optional()
    .describe('whether the orchestrator may change the version; root at the command line always may'),
});
export type Policy = z.infer<typeof policySchema>;

const EVERYTHING: Grant = { tools: { allow: ['*'], deny: [] }, roots: { read: ['/'], write: ['/'] } };

/** What holds without a file. Tools have the daemon's own rights and no more; certificates need a grant by name. */
export const DEFAULT_POLICY: Policy = {
  version: 1,
  grants: { [ORCHESTRATOR_GRANT]: EVERYTHING, [LOCAL_API_GRANT]: EVERYTHING },
};

/** What a policy says about one call. */
export type PolicyDecision =
  | { allowed: true; read: readonly string[]; write: readonly string[] }
  | { allowed: false; why: string };

/** May the orchestrator bring this VM to that version? */
export const allowsUpgrade = ({ upgrade = 'allow' }: Pick<Policy, 'upgrade'>, version: string): boolean =>
  typeof upgrade === 'string' ? upgrade === 'allow' : upgrade.versions.includes(version);
