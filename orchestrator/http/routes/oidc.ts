import { z } from 'zod';
import { AppError } from '../../../protocol/errors.ts';
import type { Sealer } from '../../store/sealed.ts';
import type { OidcAccounts } from '../../tenancy/oidc-accounts.ts';
import { cookieOf, sessionCookie, sessionTokenOf } from '../auth-user.ts';
import type { LoginFlow, OidcClient } from '../oidc-client.ts';
import { defineRoute, type Route } from '../route.ts';

export const OIDC_LOGIN = '/api/v1/oidc/login';
const CALLBACK = '/api/v1/oidc/callback';

/** Lax: the browser comes back from another site, by a link. It holds no session, and only this browser can use it. */
const COOKIE = '__Host-vm_oidc';
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax';
const FLOW_LIFE_S = 600;
const SEAL_NAME = 'oidc login';
const endFlow = `${COOKIE}=; ${ATTRIBUTES}; Max-Age=0`;

const flowSchema = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  ends_at: z.number(),
});

/** A code that the page has words for; what a link says is never shown. */
const failurePage = (code: string) => `/#/sign-in?failed=${code}`;

export function oidcRoutes(options: {
  client: OidcClient;
  accounts: OidcAccounts;
  sealer: Sealer;
  now: () => number;
  lifetimeS: number;
  publicOrigin: () => string;
}): Route[] {
  const { client, accounts, sealer, now, lifetimeS, publicOrigin } = options;
  const redirectUri = () => `${publicOrigin()}${CALLBACK}`;

  function flowOf(cookie: string | undefined): LoginFlow {
    const expired = (cause?: unknown) =>
      new AppError('oidc_failed', {
        detail: 'This login was not begun in this browser, or too long ago.',
        hint: 'Begin again on the sign-in page.',
        ...(cause === undefined ? {} : { cause }),
      });
    if (cookie === undefined) throw expired();
    let flow: z.output<typeof flowSchema>;
    try {
      flow = flowSchema.parse(JSON.parse(sealer.open(SEAL_NAME, cookie).toString('utf8')));
    } catch (cause) {
      throw expired(cause);
    }
    if (flow.ends_at <= now()) throw expired();
    return flow;
  }

  const redirect = (location: string) => ({
    status: 303,
    headers: { location, 'cache-control': 'no-store' },
    body: null,
  });

  return [
    defineRoute({
      method: 'GET',
      path: OIDC_LOGIN,
      summary: 'Goes to the OpenID Connect provider, for a browser',
      auth: 'none',
      raw: { contentType: 'text/plain', description: 'Nothing: a redirection' },
      successStatus: 303,
      async handler({ reply, log }) {
        try {
          const { url, flow } = await client.begin(redirectUri());
          const sealed = sealer.seal(
            SEAL_NAME,
            Buffer.from(JSON.stringify({ ...flow, ends_at: now() + FLOW_LIFE_S * 1000 })),
          );
          reply.header('set-cookie', `${COOKIE}=${sealed}; ${ATTRIBUTES}; Max-Age=${FLOW_LIFE_S}`);
          return redirect(url.href);
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          log.warn({ err: error }, 'a login by OpenID Connect could not begin');
          return redirect(failurePage('provider'));
        }
      },
    }),
    defineRoute({
      method: 'GET',
      path: CALLBACK,
      summary: 'Where the OpenID Connect provider sends the browser back to; begins the session',
      auth: 'none',
      raw: { contentType: 'text/plain', description: 'Nothing: a redirection' },
      successStatus: 303,
      async handler({ request, reply, log }) {
        reply.header('set-cookie', endFlow);
        try {
          const flow = flowOf(cookieOf(request.headers, COOKIE));
          const current = new URL(request.raw.url ?? '', publicOrigin());
          const person = await client.finish(current, flow);
          const { token } = await accounts.signIn(person, {
            address: request.address,
            userAgent: request.headers['user-agent'] ?? '',
            replaces: sessionTokenOf(request.headers),
          });
          reply.header('set-cookie', sessionCookie(token, lifetimeS));
          return redirect('/');
        } catch (error) {
          if (!(error instanceof AppError)) throw error;
          log.warn({ err: error, address: request.address }, 'a login by OpenID Connect failed');
          return redirect(failurePage(error.code === 'account_disabled' ? 'disabled' : 'refused'));
        }
      },
    }),
  ];
}
