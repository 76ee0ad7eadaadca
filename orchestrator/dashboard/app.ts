import { render, type VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type Place, placeOf } from './model/route.ts';
import { ApiError, sessionEnds } from './net/api.ts';
import { fetchSession } from './net/endpoints.ts';
import { useStore } from './net/store.ts';
import { PAGES, TABS } from './pages.ts';
import { Empty, PageTitle } from './ui/bits.ts';
import { Frame } from './ui/frame.ts';
import { html, view } from './ui/html.ts';
import { LoginPage } from './ui/login.ts';
import { enterSession, may, type Session, sessionState } from './ui/session.ts';

function usePlace(): Place | undefined {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const onChange = () => {
      setHash(location.hash);
      scrollTo(0, 0);
    };
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return placeOf(hash, PAGES.keys());
}

function Missing(): VNode {
  return html`<div>
    ${view(PageTitle, { title: 'Not found' })}
    ${view(Empty, { title: 'There is no such page', text: 'The link may be cut or old.' }, html`<a class="button" href="#/agents">To the agents</a>`)}
  </div>`;
}

/** Made anew for another organization: nothing of one is shown under the name of the other. */
function Shown({ session, place }: { session: Session; place: Place | undefined }): VNode {
  const page = place && PAGES.get(place.pattern);
  if (place === undefined || page === undefined) return view(Missing, {});
  const { org } = session;
  return page.render({ org, session, place, may: (permission) => may(session, permission) });
}

function App(): VNode {
  const state = useStore(sessionState);
  const place = usePlace();
  if (state.kind === 'starting') return html`<p class="boot" role="status">Loading…</p>`;
  if (state.kind === 'out') return view(LoginPage, { expired: state.expired });
  const { session } = state;
  const tabs = TABS.filter(({ needs }) => needs === undefined || may(session, needs));
  const tab = place && PAGES.get(place.pattern)?.tab;
  if (session.org === '' && tab !== 'settings') {
    return view(
      Frame,
      { session, tab, tabs },
      view(Empty, {
        title: 'No organization',
        text: `${session.user} belongs to no organization yet. An administrator can change that.`,
      }),
    );
  }
  return view(Frame, { session, tab, tabs }, view(Shown, { session, place, key: session.org }));
}

async function start(): Promise<void> {
  try {
    enterSession(await fetchSession());
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) sessionState.set({ kind: 'out', expired: false });
    else setTimeout(start, 2000);
  }
}

sessionEnds.subscribe(() => {
  sessionState.set({ kind: 'out', expired: sessionState.get().kind === 'in' });
});
const root = document.getElementById('app');
if (root !== null) {
  root.textContent = '';
  render(view(App, {}), root);
  void start();
}
