import { z } from 'zod';
import { actorSchema } from './command.ts';
import { agentIdSchema, commandIdSchema, terminalIdSchema, vmIdSchema } from './ids.ts';
import { endReasonSchema } from './terminal-socket.ts';

const time = z.iso.datetime();
const count = z.number().int().nonnegative();

/** A terminal that runs. */
export const liveTerminalSchema = z.object({
  id: terminalIdSchema,
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  actor: actorSchema,
  opened_at: time,
  mine: z.boolean().describe('The caller opened it, and may attach to it'),
  attached: z.boolean().describe('Somebody sits at it'),
});
export const liveTerminalListSchema = z.object({ items: z.array(liveTerminalSchema) });
export type LiveTerminalInfo = z.infer<typeof liveTerminalSchema>;

/** What was recorded of a terminal: of a running one, so far. */
export const recordingSchema = z.object({
  id: terminalIdSchema,
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  command_id: commandIdSchema,
  actor: actorSchema,
  address: z.string().nullable(),
  command: z.string().nullable().describe('Null: the login shell'),
  opened_at: time,
  ended_at: time.nullable(),
  end_reason: endReasonSchema.nullable(),
  exit_code: z.number().int().nullable(),
  size: count.describe('Bytes of the recording'),
  expires_at: time,
});
export type Recording = z.infer<typeof recordingSchema>;

export const recordingListSchema = z.object({
  items: z.array(recordingSchema),
  next_cursor: z.string().nullable(),
});

export const listRecordingsQuerySchema = z.object({
  agent: z.string().max(128).optional().describe('agent_id or vm_id'),
  cursor: terminalIdSchema.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
});
