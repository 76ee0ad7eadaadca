import { z } from 'zod';
import { agentIdSchema, vmIdSchema } from './ids.ts';

export const revokeCertificateRequestSchema = z.strictObject({
  reason: z
    .string()
    .trim()
    .min(1)
    .max(500)
    .default('unspecified')
    .describe('Kept with the certificate and in the audit log'),
});

export const revokedCertificateSchema = z.object({
  fingerprint: z.string(),
  serial: z.string(),
  agent_id: agentIdSchema,
  vm_id: vmIdSchema,
  already: z.boolean().describe('It had been revoked before; nothing was changed'),
});
export type RevokedCertificate = z.input<typeof revokedCertificateSchema>;

export const revokeAgentsRequestSchema = z.strictObject({
  selector: z.string().min(1).max(4096).describe('Which agents; `all` for every one of the organization'),
});
export const revokedAgentsSchema = z.object({ revoked: z.number().int().nonnegative() });
