import { z } from 'zod';
import { transportSchema } from './rest-fleet.ts';

/** `GET /health` of an agent: exactly these keys, `waiting_for` only while something keeps the machine out. */
export const agentHealthSchema = z.strictObject({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  vm_id: z.string().nullable(),
  version: z.string(),
  tenant_status: z.enum(['provisioned', 'unprovisioned']),
  security_status: z.enum(['fully_initialized', 'partially_initialized', 'uninitialized']),
  tools_enabled: z.array(z.string()).describe('shell, file, system, logs'),
  websocket_connected: z.boolean(),
  orchestrator_url: z.string().nullable(),
  agent_id: z.string().nullable(),
  waiting_for: z.string().optional().describe('What keeps it out, and what somebody has to do'),
  timestamp: z.iso.datetime(),
});
export type AgentHealth = z.infer<typeof agentHealthSchema>;

/** `GET /info` of an agent. */
export const agentInfoSchema = z.object({
  name: z.string().nullable(),
  vm_id: z.string().nullable(),
  agent_id: z.string().nullable(),
  version: z.string(),
  protocol: z.object({ subprotocol: z.string(), min: z.number(), max: z.number() }),
  features: z.array(z.string()),
  tools: z.array(z.object({ name: z.string(), description: z.string() })),
  runtime: z.object({ node: z.string(), platform: z.string(), arch: z.string(), pid: z.number() }),
  hostname: z.string(),
  labels: z.record(z.string(), z.string()),
  started_at: z.iso.datetime(),
  port: z.number().int(),
  certificate: z
    .object({
      expires_at: z.iso.datetime(),
      renew_at: z.iso.datetime().describe('When it is renewed, or tried again'),
      failure: z.string().nullable().describe('Why it could not be renewed when it was last tried'),
    })
    .nullish()
    .describe('Of this machine, once it is enrolled'),
  conditions: z
    .array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() }))
    .describe('What status is made of'),
  transport: transportSchema
    .nullable()
    .optional()
    .describe('Of the connection to the orchestrator: poll, where WebSockets are blocked on the way'),
});
export type AgentInfo = z.infer<typeof agentInfoSchema>;
