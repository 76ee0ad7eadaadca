import { z } from 'zod';
import { roleSchema } from '../protocol/roles.ts';

/** RFC 8252 § 8.3: on this machine itself a provider may speak plain HTTP. */
const isLoopback = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');

const issuerSchema = z
  .string()
  .refine((text) => URL.canParse(text), 'write the address of the provider, https://…')
  .refine((text) => {
    if (!URL.canParse(text)) return true;
    const url = new URL(text);
    return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url));
  }, 'it must begin with https://');

const claimSchema = z.string().min(1).max(256);

/** What `serve --oidc-config FILE` holds; the flags `--oidc-…` and VM_ORCHESTRATOR_OIDC__… win over it. */
export const oidcConfigSchema = z.strictObject({
  issuer: issuerSchema,
  client_id: z.string().min(1).max(256),
  client_secret_file: z.string().min(1).optional(),
  /** On the button: Sign in with … */
  name: z.string().min(1).max(64).default('OpenID Connect'),
  scopes: z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/)).default(['openid', 'profile', 'email']),
  username_claim: claimSchema.default('preferred_username'),
  name_claim: claimSchema.default('name'),
  groups_claim: claimSchema.default('groups'),
  /** Group → role, by the organization’s name or identifier. */
  organizations: z.record(z.string(), z.record(z.string(), roleSchema)).default({}),
  /** Who is in it rules the whole orchestrator. */
  system_admin_group: z.string().min(1).optional(),
  /** Who may still sign in by a password; administrators of the whole orchestrator always may. */
  local_login: z.enum(['everyone', 'without_identity', 'system_admins']).default('without_identity'),
});

export type OidcConfig = Omit<z.output<typeof oidcConfigSchema>, 'client_secret_file'> & {
  clientSecret: string | undefined;
};
