import { z } from 'zod';
import { organizationIdSchema, sessionIdSchema, userIdSchema } from './ids.ts';
import { nextCursorSchema } from './rest-pages.ts';
import { roleSchema } from './roles.ts';

const time = z.iso.datetime();

/** What people type to sign in. */
export const usernameSchema = z
  .string()
  .regex(
    /^[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,126}[A-Za-z0-9])?$/,
    'a user name is 1–128 of A–Z a–z 0–9 . _ @ + -, and begins and ends with a letter or digit',
  );
const displayNameSchema = z
  .string()
  .max(128)
  // As a pattern that every dialect of regular expressions reads: JSON Schema names no flags.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
  .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'a name holds no control characters');

/** Lengths alone are refused here; what else a password must be is said by the orchestrator. */
const newPasswordSchema = z.string().min(1).max(1024);

/** A user as an organization sees him. */
export const memberSchema = z.object({
  id: userIdSchema,
  username: z.string(),
  display_name: z.string(),
  role: roleSchema,
  source: z.enum(['local', 'oidc']).describe('oidc: the role comes from the groups of the last login'),
  disabled: z.boolean(),
  last_login_at: time.nullable(),
});
export type Member = z.infer<typeof memberSchema>;
export const memberListSchema = z.object({ items: z.array(memberSchema), next_cursor: nextCursorSchema });
export const addMemberRequestSchema = z.strictObject({ username: usernameSchema, role: roleSchema });
export const changeMemberRequestSchema = z.strictObject({ role: roleSchema });

/** A user as the administrator of the whole orchestrator sees him. */
export const userSchema = z.object({
  id: userIdSchema,
  username: z.string(),
  display_name: z.string(),
  system_admin: z.boolean().describe('Rules the whole orchestrator'),
  disabled: z.boolean(),
  password: z.boolean().describe('Whether a password is set'),
  issuers: z.array(z.string()).describe('OpenID Connect providers that he signed in by'),
  created_at: time,
  last_login_at: time.nullable(),
  organizations: z.array(
    z.object({
      id: organizationIdSchema,
      name: z.string(),
      role: roleSchema,
      source: z.enum(['local', 'oidc']),
    }),
  ),
});
export type User = z.infer<typeof userSchema>;
export const userListSchema = z.object({ items: z.array(userSchema), next_cursor: z.string().nullable() });
export const createUserRequestSchema = z.strictObject({
  username: usernameSchema,
  display_name: displayNameSchema.default(''),
  password: newPasswordSchema.optional().describe('Left out: one is made, and shown once'),
  system_admin: z.boolean().default(false),
  organizations: z
    .array(z.strictObject({ organization: z.string().max(64), role: roleSchema }))
    .max(100)
    .default([])
    .describe('Where he belongs from the start; by name or identifier'),
});
export type CreateUserRequest = z.input<typeof createUserRequestSchema>;
/** `password` is there when it was made here. */
export const createUserResponseSchema = userSchema.extend({
  initial_password: z.string().optional().describe('Shown once; only its hash is kept'),
});
export type CreateUserResponse = z.infer<typeof createUserResponseSchema>;
export const changeUserRequestSchema = z.strictObject({
  display_name: displayNameSchema.optional(),
  disabled: z.boolean().optional().describe('true: his sessions end, and he signs in no more'),
  system_admin: z.boolean().optional(),
});
export const resetPasswordRequestSchema = z.strictObject({
  password: newPasswordSchema.optional().describe('Left out: one is made, and shown once'),
});
export const resetPasswordResponseSchema = z.object({
  password: z.string().nullable().describe('The one that was made; null when it was given'),
  sessions_ended: z.number().int(),
});

export const changePasswordRequestSchema = z.strictObject({
  current_password: z.string().min(1).max(1024),
  new_password: newPasswordSchema,
});

/** One browser in which a person is signed in. */
export const webSessionSchema = z.object({
  id: sessionIdSchema,
  current: z.boolean(),
  method: z.enum(['password', 'oidc']),
  created_at: time,
  last_seen_at: time,
  expires_at: time,
  address: z.string().nullable(),
  user_agent: z.string().describe('As the browser said it'),
});
export type WebSession = z.infer<typeof webSessionSchema>;
export const webSessionListSchema = z.object({
  items: z.array(webSessionSchema),
  next_cursor: nextCursorSchema,
});
export const endedSessionsSchema = z.object({ sessions_ended: z.number().int() });

/** How one may sign in here, for the page that asks. */
export const signInOptionsSchema = z.object({
  password: z.boolean(),
  oidc: z.object({ name: z.string(), url: z.string() }).nullable(),
});
export type SignInOptions = z.infer<typeof signInOptionsSchema>;
