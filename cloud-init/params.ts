import { z } from 'zod';
import { AppError } from '../protocol/errors.ts';
import { labelsSchema, parseProvisioningToken } from '../protocol/provisioning-token.ts';

/**
 * - `cloud-config`: for cloud-init, as it is;
 * - `mime`: the same as one part of an archive, beside parts of your own;
 * - `ignition`: JSON for Fedora CoreOS and Flatcar, which have no cloud-init.
 */
export const USER_DATA_FORMATS = ['cloud-config', 'mime', 'ignition'] as const;
export type UserDataFormat = (typeof USER_DATA_FORMATS)[number];

/** Where machines reach the orchestrator. */
export const originSchema = z
  .string()
  // It goes into a shell script: a host and a port, and nothing that a shell could read.
  .regex(
    /^https:\/\/([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:\d{1,5})?\/?$/i,
    'write https://HOST or https://HOST:PORT, and nothing else',
  )
  .refine((text) => URL.canParse(text), 'a port is at most 65535, and a host a name or an address')
  .transform((text) => text.replace(/\/$/, ''));

const token = z
  .string()
  .trim()
  // The text itself must never get into an error.
  .refine(
    (text) => parseProvisioningToken(text) !== undefined,
    'it looks like prov_<id>_<secret>_<pin>; make one by vm-orchestrator token create',
  );

/** What prints a token on the machine. */
export const tokenCommandSchema = z
  .string()
  .trim()
  .max(2048, 'it has at most 2048 characters')
  .regex(/^[^\0\n\r]+$/, 'it is one line for /bin/sh');

const part = z.strictObject({
  filename: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,100}$/, 'a file name of A–Z a–z 0–9 . _ -')
    .optional(),
  /** Left out, it is told from the first line, as cloud-init does. */
  contentType: z
    .string()
    .regex(/^text\/[a-z0-9.+-]+$/, 'one of cloud-init’s types, e.g. text/cloud-config or text/x-shellscript')
    .optional(),
  content: z.string().min(1, 'it is empty'),
});

export const MAX_PARTS = 32;

const schema = z
  .strictObject({
    url: originSchema,
    token: token.optional(),
    tokenFrom: tokenCommandSchema.optional(),
    labels: labelsSchema.default({}),
    setupSha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits, in lower case')
      .optional(),
    port: z.number().int().min(0).max(65_535).optional(),
    skipDependencies: z.boolean().default(false),
    privilegedExecutor: z.boolean().default(true),
    format: z.enum(USER_DATA_FORMATS).default('cloud-config'),
    parts: z.array(part).max(MAX_PARTS).default([]),
  })
  .refine(
    (params) => (params.token === undefined) !== (params.tokenFrom === undefined),
    'give one of token and tokenFrom',
  )
  .refine(
    (params) => params.parts.length === 0 || params.format === 'mime',
    'parts of your own need the format mime',
  );

export type CheckedParams = z.output<typeof schema>;
export type CheckedPart = z.output<typeof part>;

/** @throws AppError `bad_request`, naming each wrong parameter, and no value. */
export function checkParams(params: unknown): CheckedParams {
  const parsed = schema.safeParse(params);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.join('.')}: ${message}`,
  );
  throw new AppError('bad_request', {
    detail: `The user-data cannot be made: ${wrong.join('; ')}.`,
    hint: 'Correct what is named; docs/cloud-init.md describes the parameters.',
    cause: parsed.error,
  });
}
