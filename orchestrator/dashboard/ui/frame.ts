import type { VNode } from 'preact';

import { useEffect, useState } from 'preact/hooks';
import { connection } from '../net/api.ts';
import { logOut } from '../net/endpoints.ts';
import { useStore } from '../net/store.ts';
import { said } from './bits.ts';
import { html, view } from './html.ts';
import { chooseOrganization, type Session, sessionState } from './session.ts';
import { ThemeButton } from './theme.ts';

export function ConnectionBanner(): VNode | null {
  const lost = useStore(connection) === 'lost';
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const onChange = () => setOnline(navigator.onLine);
    addEventListener('online', onChange);
    addEventListener('offline', onChange);
    return () => {
      removeEventListener('online', onChange);
      removeEventListener('offline', onChange);
    };
  }, []);
  if (!lost) return null;
  const why = online ? 'The orchestrator does not answer.' : 'This computer is offline.';
  return html`<div class="banner" role="alert">
    <span class="spinner" aria-hidden="true"></span>
    <span><strong>Connection lost.</strong> ${why} What you see may be old; trying again…</span>
  </div>`;
}

export interface FrameProps {
  session: Session;
  /** Name of the tab that is marked. */
  tab: string | undefined;
  tabs: readonly { name: string; href: string; label: string }[];
  children?: unknown;
}

export function Frame({ session, tab, tabs, children }: FrameProps): VNode {
  const signOut = async () => {
    try {
      await logOut();
    } catch {
      // The session may be over already; to the person it is the same.
    }
    sessionState.set({ kind: 'out', expired: false });
  };
  const onOrganization = (event: Event) =>
    chooseOrganization(session, (event.currentTarget as HTMLSelectElement).value);
  return html`<div class="frame">
    <a class="skip" href="#main" onClick=${(event: Event) => {
      event.preventDefault();
      document.getElementById('main')?.focus();
    }}>Skip to content</a>
    <header class="top">
      <a class="brand" href="#/"><span class="mark" aria-hidden="true"></span>vm-agent</a>
      <nav aria-label="Main">
        ${tabs.map(
          ({ name, href, label }) => html`<a key=${href} href=${href}
            aria-current=${name === tab ? 'page' : undefined}>${label}</a>`,
        )}
      </nav>
      <div class="who">
        ${
          session.organizations.length > 1
            ? html`<select aria-label="Organization" value=${session.org} onChange=${onOrganization}>
              ${session.organizations.map(({ id, name }) => html`<option key=${id} value=${id}>${name}</option>`)}
            </select>`
            : null
        }
        ${view(ThemeButton, {})}
        <span class="user" title="Signed in">${said(session.user)}</span>
        <button type="button" class="button small ghost" onClick=${signOut}>Sign out</button>
      </div>
    </header>
    ${view(ConnectionBanner, {})}
    <main id="main" tabIndex="-1">${children}</main>
  </div>`;
}
