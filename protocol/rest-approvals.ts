import { z } from 'zod';
import { approvalPolicySchema, approvalSignatureSchema, approvalSubjectSchema } from './approval.ts';
import { actorSchema } from './command.ts';
import {
  agentIdSchema,
  approvalIdSchema,
  approvalRuleIdSchema,
  commandIdSchema,
  jobIdSchema,
  vmIdSchema,
} from './ids.ts';
import { nextCursorSchema } from './rest-pages.ts';
import { roleSchema } from './roles.ts';
import { textPatternSchema, toolPatternSchema } from './text-pattern.ts';

const time = z.iso.datetime();
const count = z.number().int().nonnegative();

/** People and tokens by their identifiers; names of users are taken in requests and become identifiers. */
const actors = z.array(z.string().min(1).max(128)).max(256).default([]);
const who = z.strictObject({ roles: z.array(roleSchema).max(8).default([]), actors });

export const DEFAULT_APPROVAL_S = 3600;
export const MAX_APPROVAL_S = 7 * 24 * 3600;

/** A job meets a rule when all of this holds; lists that are empty leave their part open. */
export const approvalRuleDefinitionSchema = z.strictObject({
  name: z.string().trim().min(1).max(128),
  enabled: z.boolean().default(true),
  requesters: who.prefault({}).describe('Whose jobs; nobody named: everybody’s'),
  exempt: who.prefault({}).describe('Whose jobs never meet it'),
  selector: z.string().min(1).max(4096).default('all').describe('One of the job’s machines must match'),
  tools: z.array(toolPatternSchema).max(64).default([]),
  commands: z
    .array(textPatternSchema)
    .max(64)
    .default([])
    .describe('One must fit a text of the arguments, such as the command: "*rm -rf*"'),
  approvers: z
    .strictObject({
      count: z.number().int().min(1).max(16).default(1),
      roles: z.array(roleSchema).max(8).default([]),
      actors,
    })
    .prefault({})
    .describe('How many others, and who; nobody named: whoever has the right approvals.decide'),
  expires_in: z
    .number()
    .min(60)
    .max(MAX_APPROVAL_S)
    .default(DEFAULT_APPROVAL_S)
    .describe('Seconds to decide'),
});
export type ApprovalRuleDefinition = z.output<typeof approvalRuleDefinitionSchema>;
export type ApprovalRuleRequest = z.input<typeof approvalRuleDefinitionSchema>;

export const approvalRuleSchema = approvalRuleDefinitionSchema.extend({
  id: approvalRuleIdSchema,
  created_at: time,
  created_by: z.string(),
});
export type ApprovalRule = z.output<typeof approvalRuleSchema>;
export const approvalRuleListSchema = z.object({
  items: z.array(approvalRuleSchema),
  next_cursor: nextCursorSchema,
});

export const approvalStateSchema = z.enum(['pending', 'approved', 'denied', 'expired', 'cancelled', 'void']);
export type ApprovalState = z.infer<typeof approvalStateSchema>;

/** What an approval needs, as rules and policies were when the job was submitted. */
export const approvalRequirementsSchema = z.object({
  rules: z.array(
    z.object({
      id: approvalRuleIdSchema,
      name: z.string(),
      count: z.number().int(),
      roles: z.array(roleSchema),
      actors: z.array(z.string()),
    }),
  ),
  signatures: z
    .array(
      z.object({
        policy: approvalPolicySchema,
        vm_ids: z.array(vmIdSchema).describe('Machines whose policy says so'),
      }),
    )
    .describe('Approvers’ own signatures that machines demand'),
});
export type ApprovalRequirements = z.output<typeof approvalRequirementsSchema>;

export const approvalDecisionSchema = z.object({
  actor: actorSchema,
  decision: z.enum(['approve', 'deny']),
  comment: z.string(),
  at: time,
  signed: z.boolean().describe('With a signature of the approver’s own'),
});

export const approvalSchema = z.object({
  id: approvalIdSchema,
  job_id: jobIdSchema,
  state: approvalStateSchema,
  requester: actorSchema,
  tool: z.string(),
  arguments: z.record(z.string(), z.unknown()),
  description: z.string(),
  selector: z.string(),
  targets: count,
  digest: z.string().describe('SHA-256 of what is approved; a decision names it'),
  created_at: time,
  expires_at: time,
  ended_at: time.nullable(),
  detail: z.string().nullable().describe('Why it ended'),
  rules: z.array(z.object({ id: approvalRuleIdSchema, name: z.string(), needed: count, given: count })),
  signatures: z.array(
    z.object({
      approvers: z.array(z.string()),
      vm_ids: z.array(vmIdSchema),
      needed: count,
      signed_by: z.array(z.string()),
      webauthn: z.array(z.object({ name: z.string(), credential_id: z.string(), rp_id: z.string() })),
    }),
  ),
  decisions: z.array(approvalDecisionSchema),
  /** Of who asks. */
  may_decide: z.boolean(),
});
export type Approval = z.infer<typeof approvalSchema>;

export const approvalDetailSchema = approvalSchema.extend({
  target_list: z.array(z.object({ agent_id: agentIdSchema, vm_id: vmIdSchema, command_id: commandIdSchema })),
  subject: approvalSubjectSchema,
  text: z.string().describe('The bytes that approvers sign'),
});
export type ApprovalDetail = z.infer<typeof approvalDetailSchema>;

export const approvalListSchema = z.object({
  items: z.array(approvalSchema),
  pending: count.describe('All that wait, whatever the filter'),
  next_cursor: z.string().nullable(),
});
export const approvalListQuerySchema = z.object({
  state: z.enum(['pending', 'ended', 'all']).default('pending'),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: approvalIdSchema.optional(),
  job_id: jobIdSchema.optional(),
});

const comment = z.string().max(1024).default('');
export const approveRequestSchema = z.strictObject({
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('Of what was looked at; another one is refused'),
  comment,
  signature: approvalSignatureSchema.optional(),
});
export type ApproveRequest = z.input<typeof approveRequestSchema>;
export const denyRequestSchema = z.strictObject({ comment });
