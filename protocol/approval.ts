import { z } from 'zod';
import { canonicalJson } from './canonical-json.ts';
import { agentIdSchema, commandIdSchema, jobIdSchema, organizationIdSchema } from './ids.ts';
import { textMatches, textPatternSchema, textsOf, toolPatternSchema } from './text-pattern.ts';

/**
 * What people approve, and what they sign. The subject fixes everything that a job does and where; the sequence numbers
 * and the time of issue, which are given when it is released, change nothing of that. The command's own identifier
 * is in its leaf of the tree of targets, and no VM takes an identifier twice: an approval is good for one run.
 */
export const approvalSubjectSchema = z.object({
  v: z.literal(1),
  org_id: organizationIdSchema,
  job_id: jobIdSchema,
  tool: z.string(),
  arguments: z.record(z.string(), z.unknown()),
  run_as: z.string().nullable(),
  limits: z.object({ timeout_s: z.number(), output_bytes: z.number() }),
  /** No command of it may start later. */
  expires_at: z.iso.datetime(),
  targets: z.object({
    count: z.number().int().positive(),
    root: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('Root of the Merkle tree (RFC 6962) of the targets'),
  }),
});
export type ApprovalSubject = z.infer<typeof approvalSubjectSchema>;

export const approvalTargetSchema = z.object({ agent_id: agentIdSchema, command_id: commandIdSchema });
export type ApprovalTarget = z.infer<typeof approvalTargetSchema>;

/** The namespace of `ssh-keygen -Y sign -n`, and the first line of what is signed: nothing else has these bytes. */
export const APPROVAL_NAMESPACE = 'vm-agent-approval';

/** The bytes that approvers sign; they can be read. */
export const approvalText = (subject: ApprovalSubject): string =>
  `${APPROVAL_NAMESPACE}.v1\n${canonicalJson(subject)}\n`;

/** One leaf of the tree of targets. */
export const targetLeaf = ({ agent_id, command_id }: ApprovalTarget): string =>
  canonicalJson({ agent_id, command_id });

/** Leaves are in the order of the commands' identifiers. */
export const inTreeOrder = <T extends ApprovalTarget>(targets: readonly T[]): T[] =>
  [...targets].sort((a, b) => (a.command_id < b.command_id ? -1 : 1));

/** An approver's own signature over {@link approvalText}, as orchestrators relay it. */
export const approvalSignatureSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('ssh'),
    signature: z.string().max(16_384).describe('What `ssh-keygen -Y sign -n vm-agent-approval` wrote'),
  }),
  z.object({
    kind: z.literal('webauthn'),
    credential_id: z.base64url().max(2048),
    authenticator_data: z.base64url().max(4096),
    client_data_json: z.base64url().max(8192),
    signature: z.base64url().max(2048).describe('Its challenge was the SHA-256 of what is signed'),
  }),
]);
export type ApprovalSignature = z.infer<typeof approvalSignatureSchema>;

/** Where a command stands in what was signed. */
export const approvalProofSchema = z.object({
  expires_at: z.iso.datetime(),
  targets: approvalSubjectSchema.shape.targets,
  index: z.number().int().nonnegative(),
  path: z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(64),
});
export type ApprovalProof = z.infer<typeof approvalProofSchema>;

/** What of a command the owner of a VM wants approved. */
export const approvalRequirementSchema = z.union(
  [
    toolPatternSchema.transform((tool) => ({ tool, command: undefined })),
    z.strictObject({
      tool: toolPatternSchema.default('*'),
      command: textPatternSchema.optional().describe('must fit a text of its arguments, such as the command'),
    }),
  ],
  { error: () => 'must be the name of a tool, or {tool: …, command: a pattern such as "*rm -rf*"}' },
);

const OPENSSH_KEY = /^ssh-ed25519 [A-Za-z0-9+/]{68}(?: .*)?$/;
const approverSchema = z.union(
  [
    z.strictObject({
      name: z.string().min(1).max(128),
      key: z
        .string()
        .regex(OPENSSH_KEY, 'must be the line of a .pub file that begins with "ssh-ed25519 AAAA"')
        .describe('an OpenSSH public key'),
    }),
    z.strictObject({
      name: z.string().min(1).max(128),
      webauthn: z.strictObject({
        credential_id: z.base64url('must be base64url').max(2048),
        public_key: z.base64('must be base64').max(2048).describe('SubjectPublicKeyInfo (DER)'),
        rp_id: z
          .string()
          .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'must be a host name')
          .describe('host name of the dashboard'),
      }),
    }),
  ],
  {
    error: () =>
      'must be {name, key: "ssh-ed25519 AAAA…"} or {name, webauthn: {credential_id, public_key, rp_id}}',
  },
);
export type Approver = z.infer<typeof approverSchema>;

/** `approval` in a grant of `policy.yaml`: whose own signatures a command needs on this VM. */
export const approvalPolicySchema = z
  .strictObject({
    required: z.array(approvalRequirementSchema).min(1).max(64).describe('which commands need it'),
    approvers: z.array(approverSchema).min(1).max(64).describe('who may approve, each with a key of his own'),
    quorum: z.number().int().min(1).max(64).default(1).describe('how many of them must sign'),
  })
  .superRefine(({ approvers, quorum }, context) => {
    const names = new Set(approvers.map(({ name }) => name));
    if (names.size < quorum)
      context.addIssue({
        code: 'custom',
        path: ['quorum'],
        message: `must be at most ${names.size}, the number of approvers`,
      });
    if (new Set(approvers.map(identityOf)).size < approvers.length)
      context.addIssue({ code: 'custom', path: ['approvers'], message: 'must not name a key twice' });
  });
export type ApprovalPolicy = z.infer<typeof approvalPolicySchema>;

/** The key itself, without its comment. */
const identityOf = (approver: Approver): string =>
  'key' in approver ? approver.key.split(' ', 2).join(' ') : approver.webauthn.public_key;

/** Whether a policy wants a call approved. */
export function needsApproval(
  policy: Pick<ApprovalPolicy, 'required'>,
  call: { tool: string; arguments: Readonly<Record<string, unknown>> },
): boolean {
  return policy.required.some(
    ({ tool, command }) =>
      textMatches(tool, call.tool) &&
      (command === undefined || textsOf(call.arguments).some((text) => textMatches(command, text))),
  );
}
