import { z } from 'zod';
import { parseDuration } from './duration.ts';

/**
 * `prov_<id>_<secret>_<pin>`: the id finds it, the secret proves it (stored as SHA-256), and the pin is the first
 * 32 hex digits of the SHA-256 of the root certificate's DER, so that an installer knows its orchestrator.
 */
export interface ProvisioningToken {
  id: string;
  secret: string;
  caPin: string;
}

const FORMAT = /^prov_([a-z0-9]{12})_([a-z0-9]{40})_([0-9a-f]{32})$/;

/** Undefined when the text is no token of this form. */
export function parseProvisioningToken(text: string): ProvisioningToken | undefined {
  const match = FORMAT.exec(text.trim());
  if (match === null) return undefined;
  const [, id = '', secret = '', caPin = ''] = match;
  return { id, secret, caPin };
}

export function formatProvisioningToken(token: ProvisioningToken): string {
  return `prov_${token.id}_${token.secret}_${token.caPin}`;
}

/** The pin of a root certificate, from the hex SHA-256 of its DER. */
export const caPinOf = (sha256Hex: string): string =>
  sha256Hex.toLowerCase().replaceAll(':', '').slice(0, 32);

export const labelKeySchema = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?$/, 'a label’s key is 1–63 of a–z 0–9 . _ / -');
export const labelValueSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$|^$/,
    'a label’s value is at most 63 of A–Z a–z 0–9 . _ -',
  );
export const labelsSchema = z
  .record(labelKeySchema, labelValueSchema)
  .refine((l) => Object.keys(l).length <= 64, 'at most 64 labels');
export type Labels = z.infer<typeof labelsSchema>;

/** So many machines within so many seconds. */
export const tokenRateSchema = z.strictObject({
  uses: z.number().int().min(1).max(100_000),
  window_s: z
    .number()
    .int()
    .min(1)
    .max(30 * 24 * 3600),
});
export type TokenRate = z.infer<typeof tokenRateSchema>;

// What a vm_id begins and, read backwards, ends with: `vm-<hostname>-<6 hex>`.
const HEAD = [/v/, /m/, /-/, /[a-z0-9]/];
const TAIL = [...Array.from({ length: 6 }, () => /[0-9a-f]/), /-/, /[a-z0-9]/];

/** Whether a glob, read from one end, may go on as those characters ask. */
function mayBe(glob: readonly string[], characters: readonly RegExp[]): boolean {
  for (const [at, character] of characters.entries()) {
    const c = glob[at];
    if (c === '*') return true;
    if (c === undefined || (c !== '?' && !character.test(c))) return false;
  }
  return true;
}

/** A glob that some vm_id can match: one that none can would let a token enroll nothing. */
export const vmIdPatternSchema = z
  .string()
  .max(128)
  .regex(/^[a-z0-9*?-]+$/, 'a pattern of a vm_id is of a–z 0–9 - and * ?, such as vm-web-*')
  .refine(
    (text) => mayBe([...text], HEAD) && mayBe([...text].reverse(), TAIL),
    'no vm_id is so: they look like vm-<hostname>-<6 hex digits>; write for instance vm-web-*',
  );

/** What a token allows, besides its secret. */
export const tokenLimitsSchema = z.object({
  uses: z.number().int().min(1).max(100_000).default(1),
  ttl_s: z
    .number()
    .int()
    .min(10)
    .max(30 * 24 * 3600)
    .default(24 * 3600),
  labels: labelsSchema.default({}).describe('Granted to the agents that it enrolls'),
  vm_id_pattern: vmIdPatternSchema.optional().describe('Glob that the vm_id must match: * and ?'),
  cidr: z.string().max(64).optional().describe('Network that the registration must come from'),
  rate: tokenRateSchema.optional().describe('How many machines it enrolls within a time'),
});
export type TokenLimits = z.infer<typeof tokenLimitsSchema>;

/** Parses `key=value`. */
export function parseLabel(text: string): [string, string] | undefined {
  const at = text.indexOf('=');
  if (at < 1) return undefined;
  const key = labelKeySchema.safeParse(text.slice(0, at));
  const value = labelValueSchema.safeParse(text.slice(at + 1));
  return key.success && value.success ? [key.data, value.data] : undefined;
}

/** Parses `10/1h`: ten machines in any hour. */
export function parseRate(text: string): TokenRate | undefined {
  const [uses = '', window = '', ...more] = text.split('/');
  const seconds = parseDuration(window);
  if (!/^\d+$/.test(uses) || seconds === undefined || more.length > 0) return undefined;
  const rate = tokenRateSchema.safeParse({ uses: Number(uses), window_s: seconds });
  return rate.success ? rate.data : undefined;
}
