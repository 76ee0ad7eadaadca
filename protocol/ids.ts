import { z } from 'zod';

// Identifiers are a prefix and a ULID in lower case: sortable by time, usable in URLs, file names and DNS labels.
const ULID = '[0-9a-hjkmnp-tv-z]{26}';

const prefixed = <B extends string>(prefix: string, brand: B) =>
  z
    .string()
    .regex(new RegExp(`^${prefix}-${ULID}$`), `must look like ${prefix}-<26 characters>`)
    .brand<B>()
    .describe(`Identifier of a ${brand}`);

export const organizationIdSchema = prefixed('org', 'organization');
export const agentIdSchema = prefixed('agt', 'agent');
export const jobIdSchema = prefixed('job', 'job');
export const commandIdSchema = prefixed('cmd', 'command');
export const userIdSchema = prefixed('usr', 'user');
export const apiTokenIdSchema = prefixed('api', 'api token');
export const scheduleIdSchema = prefixed('sch', 'schedule');
export const savedCommandIdSchema = prefixed('sav', 'saved command');
export const sessionIdSchema = prefixed('ses', 'session');
export const approvalIdSchema = prefixed('apv', 'approval');
export const approvalRuleIdSchema = prefixed('apr', 'approval rule');
export const lockIdSchema = prefixed('lck', 'lock');
export const restoreIdSchema = prefixed('rst', 'restore');
export const terminalIdSchema = prefixed('trm', 'terminal');

export type OrganizationId = z.infer<typeof organizationIdSchema>;
export type AgentId = z.infer<typeof agentIdSchema>;
export type JobId = z.infer<typeof jobIdSchema>;
export type CommandId = z.infer<typeof commandIdSchema>;
export type UserId = z.infer<typeof userIdSchema>;
export type ApiTokenId = z.infer<typeof apiTokenIdSchema>;
export type ScheduleId = z.infer<typeof scheduleIdSchema>;
export type SavedCommandId = z.infer<typeof savedCommandIdSchema>;
export type SessionId = z.infer<typeof sessionIdSchema>;
export type ApprovalId = z.infer<typeof approvalIdSchema>;
export type TerminalId = z.infer<typeof terminalIdSchema>;

export type IdPrefix =
  | 'org'
  | 'agt'
  | 'job'
  | 'cmd'
  | 'usr'
  | 'api'
  | 'sch'
  | 'sav'
  | 'ses'
  | 'trm'
  | 'evt'
  | 'req'
  | 'crt'
  | 'apv'
  | 'apr'
  | 'lck'
  | 'rst';

/** `vm-<hostname>-<6 hex>`: made on the VM, unique within an organization. */
export const vmIdSchema = z
  .string()
  .regex(
    /^vm-[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?-[0-9a-f]{6}$/,
    'must look like vm-<hostname>-<6 hex digits>',
  )
  .brand<'vm_id'>()
  .describe('Name that the VM drew for itself');
export type VmId = z.infer<typeof vmIdSchema>;

/**
 * The host part of a vm_id: lower case, letters, digits and hyphens, at most 63 characters.
 * A name with nothing usable in it becomes `host`.
 */
export function vmIdHostPart(hostname: string): string {
  const label = (hostname.split('.')[0] ?? '').toLowerCase().replace(/[^a-z0-9-]+/g, '-');
  const trimmed = label.slice(0, 63).replace(/^-+|(?<!-)-+$/g, '');
  return trimmed === '' ? 'host' : trimmed;
}

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** A ULID in lower case from a time in milliseconds and 10 random bytes (https://github.com/ulid/spec). */
export function encodeUlid(timeMs: number, random: Uint8Array): string {
  let time = timeMs;
  let head = '';
  for (let i = 0; i < 10; i++) {
    head = ALPHABET.charAt(time % 32) + head;
    time = Math.floor(time / 32);
  }
  let bits = 0n;
  for (const byte of random.subarray(0, 10)) bits = (bits << 8n) | BigInt(byte);
  let tail = '';
  for (let i = 0; i < 16; i++) {
    tail = ALPHABET.charAt(Number(bits & 31n)) + tail;
    bits >>= 5n;
  }
  return head + tail;
}

/** When an identifier was made (ms since the epoch), as it says itself. */
export function timeOfId(id: string): number {
  let time = 0;
  for (const digit of id.slice(id.lastIndexOf('-') + 1).slice(0, 10))
    time = time * 32 + ALPHABET.indexOf(digit);
  return time;
}
