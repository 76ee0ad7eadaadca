import { z } from 'zod';
import { factsSchema, loadSampleSchema } from './facts.ts';
import { agentIdSchema, apiTokenIdSchema, organizationIdSchema, vmIdSchema } from './ids.ts';
import {
  labelKeySchema,
  labelsSchema,
  labelValueSchema,
  tokenLimitsSchema,
  tokenRateSchema,
} from './provisioning-token.ts';
import { listQuerySchema, nextCursorSchema } from './rest-pages.ts';
import { quarantineSchema } from './rest-quarantine.ts';
import { permissionSchema, roleSchema } from './roles.ts';

const time = z.iso.datetime();

export const loginRequestSchema = z.strictObject({
  username: z.string().min(1).max(128),
  password: z.string().min(1).max(1024),
});
export const whoamiSchema = z.object({
  actor: z.object({ type: z.enum(['user', 'api_token']), id: z.string(), name: z.string() }),
  system_admin: z.boolean().describe('Rules the whole orchestrator'),
  organizations: z.array(
    z.object({
      id: organizationIdSchema,
      name: z.string(),
      role: roleSchema,
      permissions: z.array(permissionSchema).describe('What the caller may do there'),
    }),
  ),
});
export type Whoami = z.infer<typeof whoamiSchema>;

export const organizationSchema = z.object({ id: organizationIdSchema, name: z.string(), created_at: time });
export type Organization = z.infer<typeof organizationSchema>;
export const organizationListSchema = z.object({
  items: z.array(organizationSchema),
  next_cursor: nextCursorSchema,
});

/** Also what URLs and command lines may hold instead of the identifier. */
export const createOrganizationRequestSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'an organization’s name is 1–63 of a–z 0–9 -')
    .refine((name) => !name.startsWith('org-'), 'names that begin with org- are kept for identifiers'),
});

const DAY_S = 24 * 3600;
/** The longest that {@link recoveryRuleSchema} may say. */
export const RECOVERY_MAX_S = 365 * DAY_S;
/** Whether a machine whose certificate ended is let in by itself. */
export const recoveryRuleSchema = z.strictObject({
  admit_within_s: z
    .number()
    .int()
    .min(60)
    .max(RECOVERY_MAX_S)
    .nullable()
    .describe('Seconds after the end of its certificate; null: an operator admits each one'),
});
export type RecoveryRule = z.infer<typeof recoveryRuleSchema>;

export const deleteOrganizationQuerySchema = z.object({
  revoke_agents: z
    .enum(['true', 'false'])
    .default('false')
    .describe('true: also when it has agents; they end'),
});

export const AGENT_SORTS = [
  'enrolled',
  '-enrolled',
  'vm_id',
  '-vm_id',
  'last_heartbeat',
  '-last_heartbeat',
  'certificate',
  '-certificate',
] as const;
export type AgentSort = (typeof AGENT_SORTS)[number];
export const listAgentsQuerySchema = listQuerySchema.extend({
  selector: z.string().min(1).max(4096).default('all'),
  revoked: z.enum(['true', 'false']).default('false').describe('Also those that were revoked'),
  q: z
    .string()
    .max(256)
    .default('')
    .describe('Words that must all occur in name, host, address, system, version or a label'),
  state: z.enum(['online', 'offline', 'quarantined', 'pending', 'revoked']).optional(),
  sort: z
    .enum(AGENT_SORTS)
    .default('enrolled')
    .describe('A minus turns the order round; `next_cursor` belongs to one order'),
});

export const createTokenRequestSchema = z.strictObject({
  ...tokenLimitsSchema.shape,
  description: z.string().max(256).default(''),
});
export type CreateTokenRequest = z.input<typeof createTokenRequestSchema>;
export const provisioningTokenSchema = z.object({
  id: z.string(),
  description: z.string(),
  created_at: time,
  expires_at: time,
  revoked_at: time.nullable(),
  uses: z.number().int(),
  used: z.number().int(),
  labels: labelsSchema,
  vm_id_pattern: z.string().nullable(),
  cidr: z.string().nullable(),
  rate: tokenRateSchema.nullable().optional().describe('Absent from an older orchestrator'),
  created_by: z.string(),
});
export type ProvisioningTokenInfo = z.infer<typeof provisioningTokenSchema>;
export const createTokenResponseSchema = z.object({
  id: z.string(),
  token: z.string().describe('Shown once; only its hash is kept'),
  expires_at: time,
  one_liner: z.string().describe('Shell line that enrolls a machine'),
  user_one_liner: z
    .string()
    .optional()
    .describe('The same without root: the agent runs with the rights of whoever pastes it'),
  setup_command: z.string().describe('The same by npx zx, for a checkout'),
  server_url: z.string().optional().describe('Where machines reach the orchestrator'),
  setup_sha256: z.string().optional().describe('SHA-256 of /setup.sh as it is now, hex'),
  user_data: z.string().optional().describe('For cloud-init: a new machine enrolls itself with it'),
  pulumi: z
    .string()
    .optional()
    .describe('The same in a Pulumi program, with the token as a secret of its stack'),
});
export type CreateTokenResponse = z.infer<typeof createTokenResponseSchema>;
export const tokenListSchema = z.object({
  items: z.array(provisioningTokenSchema),
  next_cursor: nextCursorSchema,
});
/** Who enrolled with a token. */
export const tokenAgentListSchema = z.object({
  items: z.array(
    z.object({
      agent_id: agentIdSchema,
      vm_id: vmIdSchema,
      hostname: z.string(),
      state: z.enum(['active', 'quarantined', 'pending', 'revoked']),
      enrolled_at: time,
      address: z.string().nullable().describe('Where it was last seen'),
    }),
  ),
  next_cursor: nextCursorSchema,
});
export type TokenAgent = z.infer<typeof tokenAgentListSchema>['items'][number];

export const transportSchema = z.enum(['websocket', 'poll']);
export type Transport = z.infer<typeof transportSchema>;
export const agentStateSchema = z.enum(['active', 'quarantined', 'pending', 'revoked']);
export const agentSchema = z.object({
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  organization_id: organizationIdSchema,
  hostname: z.string(),
  state: agentStateSchema,
  quarantine: quarantineSchema
    .nullable()
    .optional()
    .describe('Why it gets nothing; null unless it is quarantined. Absent from an older orchestrator'),
  online: z.boolean(),
  version: z.string().nullable(),
  labels: labelsSchema,
  reported_labels: labelsSchema,
  facts: factsSchema.nullable(),
  load: loadSampleSchema.nullable(),
  tools: z.array(z.string()),
  enrolled_at: time,
  connected_at: time.nullable(),
  last_heartbeat_at: time.nullable(),
  certificate_expires_at: time,
  address: z.string().nullable(),
  transport: transportSchema
    .nullable()
    .optional()
    .describe('Of the present or last connection: poll, where WebSockets are blocked on the way'),
});
export type Agent = z.infer<typeof agentSchema>;
export const agentListSchema = z.object({ items: z.array(agentSchema), next_cursor: z.string().nullable() });

/** Changes of what an operator granted; what the VM says of itself is the VM's own. */
export const changeAgentRequestSchema = z.strictObject({
  labels: z
    .record(labelKeySchema, labelValueSchema.nullable())
    .optional()
    .describe('Granted labels to set; null removes one'),
  state: z
    .enum(['active', 'quarantined'])
    .optional()
    .describe('active admits an agent that is pending or quarantined; quarantined cuts it off'),
  reason: z.string().trim().min(1).max(512).optional().describe('Why it is quarantined, for people'),
});
export type ChangeAgentRequest = z.input<typeof changeAgentRequestSchema>;

export const apiTokenSchema = z.object({
  id: apiTokenIdSchema,
  name: z.string(),
  role: roleSchema,
  scopes: z.array(permissionSchema).nullable().describe('Null: all that the role allows'),
  system_admin: z.boolean().describe('Rules the whole orchestrator'),
  created_at: time,
  created_by: z.string(),
  expires_at: time.nullable(),
  last_used_at: time.nullable(),
});
export type ApiToken = z.infer<typeof apiTokenSchema>;
export const apiTokenListSchema = z.object({ items: z.array(apiTokenSchema), next_cursor: nextCursorSchema });
export const createApiTokenRequestSchema = z.strictObject({
  name: z.string().min(1).max(128),
  role: roleSchema.default('admin'),
  scopes: z
    .array(permissionSchema)
    .min(1)
    .max(64)
    .optional()
    .describe('What it may do of what its role allows; left out: all of it'),
  ttl_s: z
    .number()
    .int()
    .min(1)
    .max(10 * 366 * 24 * 3600)
    .optional()
    .describe('Left out: until it is revoked'),
  system_admin: z.boolean().default(false).describe('Rules the whole orchestrator'),
});
export type CreateApiTokenRequest = z.input<typeof createApiTokenRequestSchema>;
export const createApiTokenResponseSchema = apiTokenSchema.extend({
  token: z.string().describe('Shown once; only its hash is kept'),
});
export type CreateApiTokenResponse = z.infer<typeof createApiTokenResponseSchema>;

/** A token that somebody makes for himself: never more than he may in that organization. */
export const createOwnApiTokenRequestSchema = z.strictObject({
  organization: z.string().min(1).max(64).describe('Identifier or name'),
  name: createApiTokenRequestSchema.shape.name,
  role: roleSchema.optional().describe('Left out: his own'),
  scopes: createApiTokenRequestSchema.shape.scopes,
  ttl_s: z
    .number()
    .int()
    .min(60)
    .max(366 * 24 * 3600)
    .default(30 * 24 * 3600),
});

/** What `vm-orchestrator bootstrap` prints, once. */
export const bootstrapSchema = z.object({
  admin_user: z.string(),
  admin_password: z.string(),
  api_token: z.string(),
  ca_fingerprint: z.string().describe('SHA-256 of the root certificate’s DER, hex'),
});
export type Bootstrap = z.infer<typeof bootstrapSchema>;
