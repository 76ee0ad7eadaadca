import { z } from 'zod';
import { lockIdSchema } from './ids.ts';
import { nextCursorSchema } from './rest-pages.ts';

const time = z.iso.datetime();

export const LOCK_TARGETS = ['user', 'api_token', 'agent', 'organization', 'tool', 'selector'] as const;
export const lockTargetSchema = z.enum(LOCK_TARGETS);
export type LockTarget = z.infer<typeof lockTargetSchema>;

export const lockSchema = z.object({
  id: lockIdSchema,
  target_type: lockTargetSchema,
  target: z.string().describe('Identifier; of a tool its name or a pattern, of a selector its text'),
  target_name: z.string().describe('The target as people know it'),
  reason: z.string(),
  created_at: time,
  created_by: z.string(),
  expires_at: time.nullable(),
});
export type Lock = z.infer<typeof lockSchema>;
export const lockListSchema = z.object({ items: z.array(lockSchema), next_cursor: nextCursorSchema });

export const createLockRequestSchema = z.strictObject({
  target_type: lockTargetSchema,
  target: z
    .string()
    .max(4096)
    .default('')
    .describe(
      'user: name or usr-…; api_token: api-…; agent: vm_id or agt-…; tool: name or pattern; selector: as in jobs; organization: nothing',
    ),
  reason: z.string().trim().min(1).max(512).describe('Shown to whoever is stopped by it'),
  expires_in: z
    .number()
    .positive()
    .max(366 * 24 * 3600)
    .optional()
    .describe('Seconds; without it the lock stands until it is removed'),
});
export type CreateLockRequest = z.input<typeof createLockRequestSchema>;
