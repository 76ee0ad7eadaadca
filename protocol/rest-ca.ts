import { z } from 'zod';
import { agentIdSchema, vmIdSchema } from './ids.ts';

const fingerprint = z.string().describe('SHA-256 of the DER, hex');
const time = z.iso.datetime();
const count = z.number().int().nonnegative();

export const rootStateSchema = z.enum(['active', 'next', 'previous', 'backup', 'retired']);

export const caStatusSchema = z.object({
  trust_domain: z.string(),
  bundle_version: z
    .number()
    .int()
    .positive()
    .describe('Grows with each change of the roots and of who signs'),
  stage: z.enum(['none', 'started', 'activated']).describe('How far a rotation of the root is'),
  roots: z.array(
    z.object({
      fingerprint,
      state: rootStateSchema,
      not_after: time,
      days_left: z.number().int(),
      key_here: z.boolean().describe('Its key is in this store'),
      agents: count.describe('Live agents whose newest certificate comes from it'),
    }),
  ),
  issuing: z.array(
    z.object({
      fingerprint,
      organization: z.string().nullable().describe('Its name; null: of the orchestrator’s own certificates'),
      root: fingerprint,
      not_after: time,
      days_left: z.number().int(),
      current: z.boolean().describe('New certificates come from it'),
      agents: count.describe('Live agents whose newest certificate comes from it'),
    }),
  ),
  servers: z
    .array(
      z.object({
        kind: z
          .enum(['own', 'given'])
          .describe('own: made here, and what agents see; given: by --tls-cert, for browsers'),
        not_after: time,
        days_left: z.number().int(),
        renews_at: time.nullable().describe('By itself; null: whoever gave it renews it, and restarts serve'),
        late: z.boolean().describe('It should have been renewed by now'),
      }),
    )
    .optional()
    .describe('What this process shows to whoever connects. Absent from an older orchestrator'),
  agents: z.object({
    live: count,
    confirmed: count.describe('They keep the present set of roots, and a certificate under the active one'),
    unconfirmed: z
      .array(
        z.object({
          agent_id: agentIdSchema,
          vm_id: vmIdSchema,
          organization: z.string(),
          bundle_version: z
            .number()
            .int()
            .nullable()
            .describe('Of the set that it said it keeps; null: it never said'),
          root: fingerprint.nullable().describe('Under which its newest certificate is'),
        }),
      )
      .describe('At most 1,000 of them'),
  }),
});
export type CaStatus = z.input<typeof caStatusSchema>;

export const rotationRequestSchema = z.strictObject({
  action: z
    .enum(['start', 'activate', 'finish', 'abort'])
    .describe(
      'start: agents learn of the next root. activate: it signs. finish: the former one is trusted no more',
    ),
  backup: z.boolean().default(false).describe('start: the backup root is the next one'),
  force: z.boolean().default(false).describe('finish: also when agents have not confirmed'),
});
export type RotationRequest = z.output<typeof rotationRequestSchema>;

export const rotateIssuingRequestSchema = z.strictObject({
  organization: z
    .string()
    .max(64)
    .nullable()
    .default(null)
    .describe('Name or id; null: of the orchestrator’s own certificates'),
});
