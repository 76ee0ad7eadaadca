import { z } from 'zod';
import { QUARANTINE_REASONS, type Quarantine } from './quarantine.ts';

/** Apart from its texts: the page shows those, and has no schemas in it. */
export const quarantineSchema: z.ZodType<Quarantine> = z.object({
  reason: z
    .string()
    .max(64)
    .describe(`${Object.keys(QUARANTINE_REASONS).join(', ')}; a newer orchestrator may know others`),
  detail: z.string().nullable().describe('What was seen, for people'),
  since: z.iso.datetime(),
});
