import type { VNode } from 'preact';

import { useEffect, useRef, useState } from 'preact/hooks';
import { type ApiError, asApiError } from '../net/api.ts';
import { logIn } from '../net/endpoints.ts';
import { ErrorBox } from './bits.ts';
import { html, view } from './html.ts';
import { enterSession } from './session.ts';

export function LoginPage({ expired }: { expired: boolean }): VNode {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = 'Sign in · vm-agent';
    name.current?.focus();
  }, []);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(undefined);
    try {
      enterSession(await logIn(name.current?.value ?? '', password.current?.value ?? ''));
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
      <p class="quiet">First time here? <code>vm-orchestrator bootstrap</code> prints the user name and password.</p>
    </form>
  </main>`;
}
