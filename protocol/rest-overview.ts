import { z } from 'zod';
import { commandStateSchema, reasonSchema } from './command.ts';
import { agentIdSchema, commandIdSchema, lockIdSchema, vmIdSchema } from './ids.ts';
import { labelsSchema } from './provisioning-token.ts';
import { agentStateSchema } from './rest-fleet.ts';
import { jobSchema } from './rest-jobs.ts';
import { lockSchema } from './rest-locks.ts';
import { quarantineSchema } from './rest-quarantine.ts';
import { restoreSchema } from './rest-restores.ts';
import { rolloutSchema } from './rest-rollout.ts';

const time = z.iso.datetime();
const count = z.number().int().nonnegative();
const fraction = z.number().min(0).max(1);

/** Why nothing is sent to a machine: the first of the locks on it, its selection or its organization. */
export const machineLockSchema = lockSchema
  .pick({ target_type: true, reason: true, expires_at: true })
  .extend({
    id: lockIdSchema,
  });
export type MachineLock = z.infer<typeof machineLockSchema>;

/** What a list of thousands of machines shows of each. `GET …/agents/{id}` says the rest. */
export const machineSchema = z.object({
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  hostname: z.string(),
  state: agentStateSchema,
  quarantine: quarantineSchema.nullable().optional().describe('Absent from an older orchestrator'),
  online: z.boolean(),
  version: z.string().nullable(),
  os: z.string().describe('As the machine names its system; empty when it is not known'),
  arch: z.string(),
  cpus: count,
  labels: labelsSchema,
  reported_labels: labelsSchema,
  load: z.object({ load1: z.number(), memory_used: fraction, disk_used: fraction.nullable() }).nullable(),
  last_heartbeat_at: time.nullable(),
  certificate_expires_at: time,
  lock: machineLockSchema.nullable(),
});
export type Machine = z.infer<typeof machineSchema>;
export const machineListSchema = z.object({ items: z.array(machineSchema) });

/**
 * Server-Sent Events of an organization's fleet. `agents` carries what changed, whole; `load` what heartbeats said,
 * in short; `gone` those that are no longer listed; `changed` what else is worth reading again. Hints, sent about
 * once a second: after a lost connection the list is read anew.
 */
export const fleetEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('agents'), items: z.array(machineSchema) }),
  z.object({
    type: z.literal('load'),
    items: z.array(
      z.object({
        agent_id: agentIdSchema,
        load: machineSchema.shape.load,
        last_heartbeat_at: time.nullable(),
      }),
    ),
  }),
  z.object({ type: z.literal('gone'), agent_ids: z.array(agentIdSchema) }),
  z.object({ type: z.literal('changed'), what: z.array(z.enum(['jobs'])) }),
  z.object({ type: z.literal('reload') }).describe('Too much happened to be told one by one'),
]);
export type FleetEvent = z.infer<typeof fleetEventSchema>;

const jobHeadSchema = jobSchema.pick({
  id: true,
  tool: true,
  arguments: true,
  description: true,
  kind: true,
  script: true,
});
const machineNameSchema = machineSchema.pick({ agent_id: true, vm_id: true, hostname: true });

/**
 * The first page: what is offline, what failed, what expires soon, what waits for somebody. What the caller may not
 * read is empty, or null where a number would say something.
 */
export const overviewSchema = z.object({
  machines: z.object({
    total: count,
    online: count,
    offline: count,
    quarantined: count,
    pending: count,
    locked: count,
  }),
  held: z
    .array(
      machineNameSchema.extend({
        state: agentStateSchema,
        quarantine: quarantineSchema.nullable().optional(),
        lock: machineLockSchema.nullable(),
      }),
    )
    .describe('Machines that get nothing: quarantined, not admitted yet, or locked; at most 50'),
  approvals: z
    .object({ pending: count })
    .nullable()
    .describe('What waits for a decision; null without approvals.read'),
  restore: restoreSchema
    .nullable()
    .optional()
    .describe('It was put back to a backup, and nobody has said that this was dealt with'),
  rollouts: z
    .array(
      z.object({
        job: jobHeadSchema,
        state: rolloutSchema.shape.state.extract(['paused', 'stopped']),
        wave: count,
        waves: count,
        detail: z.string().nullable().describe('Why it stopped'),
        ended_at: time.nullable(),
      }),
    )
    .describe('Rollouts that are paused, and those that stopped in the last 24 hours; at most 20'),
  offline: z
    .array(
      z.object({
        agent_id: agentIdSchema,
        vm_id: vmIdSchema,
        hostname: z.string(),
        last_seen_at: time.nullable().describe('Null: it was never connected'),
      }),
    )
    .describe('Those that left last come first; at most 50'),
  jobs: z.object({ active: count, failed_commands: count.describe('In the last 24 hours') }),
  failed: z
    .array(
      z.object({
        job: jobHeadSchema,
        state: commandStateSchema,
        reason: reasonSchema.nullable(),
        machines: count,
        command_id: commandIdSchema.describe('One of them'),
        vm_id: vmIdSchema,
        ended_at: time,
      }),
    )
    .describe('What did not succeed in the last 24 hours, by job and state; at most 20'),
  expiring: z
    .array(
      z.object({
        kind: z.enum(['certificate', 'authority', 'server_certificate', 'provisioning_token', 'api_token']),
        id: z.string(),
        name: z.string(),
        at: time,
      }),
    )
    .describe('What ends soon, or ended and is still there; the soonest first; at most 50'),
});
export type Overview = z.infer<typeof overviewSchema>;
