import { z } from 'zod';
import { sizeSchema } from './agent-config.ts';
import { type ApprovalPolicy, approvalPolicySchema } from './approval.ts';
import { RUN_USER } from './disk-layout.ts';

/** The grant of somebody's command that the orchestrator has signed. */
export const ORCHESTRATOR_GRANT = 'orchestrator';
/** The grant of who holds this VM's API key. */
export const LOCAL_API_GRANT = 'local-api';
/** What root on this VM has who connects to the executor: everything. No policy limits who may write the policy. */
export const ROOT_GRANT = 'root';
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

const share = z
  .string()
  .regex(
    /^([1-9][0-9]?|100)%$/,
    'must be a share of the machine’s memory such as 50%, or a size such as 512MB',
  );

/** What one command may take, enforced by the kernel (systemd.resource-control(5)). What is not said is not limited. */
const limitsSchema = z.strictObject({
  memory: z.union([share, sizeSchema]).optional().describe('bytes, 512MB, 2GB, or a share: 50%'),
  tasks: z.number().int().min(4).max(4_194_304).optional().describe('processes and threads at once'),
  cpu_weight: z.number().int().min(1).max(10_000).optional().describe('share of a busy CPU; 100 is usual'),
  timeout: z.number().positive().max(604_800).optional().describe('seconds that a command may last at most'),
  output: sizeSchema.optional().describe('bytes of output, after which it is ended'),
});
export type CommandLimits = z.infer<typeof limitsSchema>;

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
  run_as: z
    .string()
    .regex(/^[a-z_][a-z0-9_.-]{0,31}$/i, 'must be the name of a user')
    .optional()
    .describe('user whose rights the tools have, where the agent has its privileged executor'),
  limits: limitsSchema.prefault({}),
  approval: approvalPolicySchema
    .optional()
    .describe('commands that need the own signatures of people whose keys stand here'),
});
export type Grant = z.infer<typeof grantSchema>;

/**
 * `policy.yaml`: what each kind of caller may do on this VM. Who has no grant may do nothing, and a grant that names
 * no roots opens no file. Unknown keys are errors.
 */
export const policySchema = z
  .strictObject({
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
  })
  .superRefine(({ grants }, context) => {
    for (const [name, { approval }] of Object.entries(grants))
      if (approval !== undefined && name !== ORCHESTRATOR_GRANT)
        context.addIssue({
          code: 'custom',
          path: ['grants', name, 'approval'],
          message: `stands only in the grant ${ORCHESTRATOR_GRANT}: what nobody signed carries no approvals`,
        });
  });
export type Policy = z.infer<typeof policySchema>;

const EVERYTHING = { tools: { allow: ['*'], deny: [] }, roots: { read: ['/'], write: ['/'] } };

/** What holds without a file, as the installer writes it. Certificates need a grant by name. */
export const DEFAULT_POLICY: Policy = {
  version: 1,
  grants: {
    [ORCHESTRATOR_GRANT]: { ...EVERYTHING, limits: { memory: '90%', tasks: 16_384 } },
    [LOCAL_API_GRANT]: { ...EVERYTHING, run_as: RUN_USER, limits: { memory: '50%', tasks: 1024 } },
  },
};

/** What a policy says about one call. */
export type PolicyDecision =
  | {
      allowed: true;
      read: readonly string[];
      write: readonly string[];
      /** Undefined: what holds for this kind of caller anyway. */
      runAs?: string | undefined;
      limits?: CommandLimits;
      /** Whose signatures some of its calls need. */
      approval?: ApprovalPolicy | undefined;
    }
  | { allowed: false; why: string };

/** May the orchestrator bring this VM to that version? */
export const allowsUpgrade = ({ upgrade = 'allow' }: Pick<Policy, 'upgrade'>, version: string): boolean =>
  typeof upgrade === 'string' ? upgrade === 'allow' : upgrade.versions.includes(version);
