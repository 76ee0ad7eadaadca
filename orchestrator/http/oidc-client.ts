import * as oidc from 'openid-client';
import { AppError } from '../../protocol/errors.ts';
import type { OidcConfig } from '../oidc-config.ts';
import type { OidcClaims } from '../tenancy/oidc-accounts.ts';

/** What one login keeps between the way to the provider and back; only the browser that began it has it. */
export interface LoginFlow {
  state: string;
  nonce: string;
  verifier: string;
}

export interface OidcClient {
  /** Where the browser goes, and what must come back with it. @throws AppError `oidc_failed` */
  begin(redirectUri: string): Promise<{ url: URL; flow: LoginFlow }>;
  /** Who it was, from the address that the browser came back to. @throws AppError `oidc_failed` */
  finish(current: URL, flow: LoginFlow): Promise<OidcClaims>;
}

const ANSWER_TIMEOUT_S = 10;

const failed = (detail: string, cause: unknown): AppError =>
  new AppError('oidc_failed', {
    detail,
    hint: 'Try again; if it stays so, the log of the orchestrator says what the provider answered.',
    cause,
  });

/** Speaks to one provider (OpenID Connect Core 1.0, code flow with PKCE); finds its endpoints at the first login. */
export function createOidcClient(config: OidcConfig): OidcClient {
  let found: Promise<oidc.Configuration> | undefined;

  const discover = () =>
    oidc.discovery(
      new URL(config.issuer),
      config.client_id,
      undefined,
      config.clientSecret === undefined ? oidc.None() : oidc.ClientSecretBasic(config.clientSecret),
      {
        timeout: ANSWER_TIMEOUT_S,
        // The configuration admits that on this machine alone.
        execute: config.issuer.startsWith('http://') ? [oidc.allowInsecureRequests] : [],
      },
    );

  async function provider(): Promise<oidc.Configuration> {
    found ??= discover();
    try {
      return await found;
    } catch (cause) {
      // It may be there the next time.
      found = undefined;
      throw failed(`The provider ${config.issuer} cannot be used.`, cause);
    }
  }

  return {
    async begin(redirectUri) {
      const configuration = await provider();
      const flow = {
        state: oidc.randomState(),
        nonce: oidc.randomNonce(),
        verifier: oidc.randomPKCECodeVerifier(),
      };
      const url = oidc.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: config.scopes.join(' '),
        state: flow.state,
        nonce: flow.nonce,
        code_challenge: await oidc.calculatePKCECodeChallenge(flow.verifier),
        code_challenge_method: 'S256',
      });
      return { url, flow };
    },
    async finish(current, flow) {
      const configuration = await provider();
      try {
        const tokens = await oidc.authorizationCodeGrant(configuration, current, {
          expectedState: flow.state,
          expectedNonce: flow.nonce,
          pkceCodeVerifier: flow.verifier,
          idTokenExpected: true,
        });
        const claims = tokens.claims();
        if (claims === undefined) throw new Error('the provider sent no ID token');
        const endpoint = configuration.serverMetadata().userinfo_endpoint;
        // Many providers put groups there alone; what the signed token says stands.
        const more =
          claims[config.groups_claim] === undefined && endpoint !== undefined
            ? await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub)
            : {};
        return { issuer: claims.iss, subject: claims.sub, claims: { ...more, ...claims } };
      } catch (cause) {
        throw failed('The provider’s answer was not good for a login.', cause);
      }
    },
  };
}
