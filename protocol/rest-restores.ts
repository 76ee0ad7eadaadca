import { z } from 'zod';
import { jobIdSchema, restoreIdSchema } from './ids.ts';

const time = z.iso.datetime();
const count = z.number().int().nonnegative();

/** That the orchestrator was put back to a backup, and what of it still waits for somebody. */
export const restoreSchema = z.object({
  id: restoreIdSchema,
  at: time,
  backup_at: time.describe('The last moment that came back; what happened between the two is lost'),
  source: z.enum(['backup', 'in_place']).describe('in_place: the data was put back by hand, and declared'),
  epoch: count.describe('Of commands since then'),
  audit_size: count.describe('Sealed events of the audit log that came back'),
  witnessed_size: count.describe(
    'The most events that an agent had seen; 0: none has shown more than came back',
  ),
  commands_held: count.describe('At the restore'),
  held: z
    .object({
      commands: count,
      jobs: z
        .array(z.object({ id: jobIdSchema, description: z.string(), commands: count }))
        .describe('At most 50'),
    })
    .describe('What is held now: release or cancel it'),
  rollouts_paused: count,
  tokens_revoked: count,
  agents_found: count.describe('Enrolled after the backup, and came back with certificates of ours'),
  agents_quarantined: count.describe('Now, because the backup does not know their certificates'),
  lost_results: count.describe('Of commands that were given after the backup; the audit log has them'),
  acknowledged_at: time.nullable(),
  acknowledged_by: z.string().nullable(),
});
export type Restore = z.infer<typeof restoreSchema>;
export const restoreListSchema = z.object({ items: z.array(restoreSchema) });
