import type { VNode } from 'preact';

import { useEffect, useRef, useState } from 'preact/hooks';
import type { SignInOptions } from '../../../protocol/rest-users.ts';
import { type ApiError, asApiError } from '../net/api.ts';
import { logIn } from '../net/endpoints.ts';
import { fetchSignInOptions } from '../net/people.ts';
import { ErrorBox } from './bits.ts';
import { html, view } from './html.ts';
import { enterSession } from './session.ts';

/** Why a way back from the provider ended here; the words are ours, whatever a link says. */
const FAILURES: Readonly<Record<string, string>> = {
  provider: 'The single sign-on provider cannot be reached just now. Try again, or sign in by a password.',
  refused:
    'Single sign-on did not succeed: it was not begun in this browser, took too long, or was refused. Begin again.',
  disabled: 'This account is disabled. An administrator of the orchestrator can enable it.',
};

function failureOf(hash: string): string | undefined {
  const [path, search] = hash.split('?', 2);
  if (path !== '#/sign-in') return undefined;
  return FAILURES[new URLSearchParams(search).get('failed') ?? ''];
}

export function LoginPage({ expired }: { expired: boolean }): VNode {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const [options, setOptions] = useState<SignInOptions | undefined>(undefined);
  const failure = failureOf(location.hash);
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = 'Sign in · vm-agent';
    name.current?.focus();
    // Without an answer the form is what there is.
    fetchSignInOptions().then(setOptions, () => undefined);
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(undefined);
    try {
      const who = await logIn(name.current?.value ?? '', password.current?.value ?? '');
      if (failure !== undefined) location.hash = '';
      enterSession(who);
    } catch (cause) {
      setError(asApiError(cause));
      setBusy(false);
      password.current?.select();
    }
  };

  return html`<main class="login">
    <form class="card" onSubmit=${submit} aria-labelledby="login-title">
      <p class="brand"><span class="mark" aria-hidden="true"></span>vm-agent</p>
      <h1 id="login-title">Sign in</h1>
      ${
        failure !== undefined && error === undefined
          ? html`<p class="notice bad" role="alert">${failure}</p>`
          : null
      }
      ${
        expired && error === undefined
          ? html`<p class="notice" role="status">Your session has ended. Sign in to go on where you were.</p>`
          : null
      }
      ${error === undefined ? null : view(ErrorBox, { error })}
      <label class="field">
        <span>User name</span>
        <input ref=${name} name="username" autocomplete="username" autocapitalize="none" spellcheck="false" required maxlength="128" />
      </label>
      <label class="field">
        <span>Password</span>
        <input ref=${password} name="password" type="password" autocomplete="current-password" required maxlength="1024" />
      </label>
      <button class="button primary" type="submit" aria-disabled=${busy}>${busy ? 'Signing in…' : 'Sign in'}</button>
      ${
        options?.oidc
          ? html`<p class="or" aria-hidden="true">or</p>
            <a class="button" href=${options.oidc.url}>Sign in with ${options.oidc.name}</a>`
          : null
      }
      <p class="quiet">First time here? <code>vm-orchestrator bootstrap</code> prints the user name and password.</p>
    </form>
  </main>`;
}
