import { render, type VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { parseRoute, type Route } from './model/route.ts';
import { ApiError, sessionEnds } from './net/api.ts';
import { fetchSession } from './net/endpoints.ts';
import { useStore } from './net/store.ts';
import { AddPage } from './ui/add-page.ts';
import { AgentPage } from './ui/agent-page.ts';
import { AgentsPage } from './ui/agents-page.ts';
import { Empty, PageTitle } from './ui/bits.ts';
import { Frame } from './ui/frame.ts';
import { html, view } from './ui/html.ts';
import { JobPage } from './ui/job-page.ts';
import { JobsPage } from './ui/jobs-page.ts';
import { LoginPage } from './ui/login.ts';
import { enterSession, sessionState } from './ui/session.ts';
import { TokensPage } from './ui/tokens-page.ts';

function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const onChange = () => {
      setHash(location.hash);
      scrollTo(0, 0);
    };
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return parseRoute(hash);
}

function Page({ route, org }: { route: Route; org: string }): VNode {
  switch (route.page) {
    case 'agents':
      return view(AgentsPage, { org });
    case 'agent':
      return view(AgentPage, { org, id: route.id, key: route.id });
    case 'add':
      return view(AddPage, { org });
    case 'tokens':
      return view(TokensPage, { org });
    case 'jobs':
      return view(JobsPage, { org });
    case 'job':
      return view(JobPage, { org, id: route.id, key: route.id });
    case 'missing':
      return html`<div>
        ${view(PageTitle, { title: 'Not found' })}
        ${view(Empty, { title: 'There is no such page', text: 'The link may be cut or old.' }, html`<a class="button" href="#/agents">To the agents</a>`)}
      </div>`;
  }
}

function App(): VNode {
  const state = useStore(sessionState);
  const route = useRoute();
  if (state.kind === 'starting') return html`<p class="boot" role="status">Loading…</p>`;
  if (state.kind === 'out') return view(LoginPage, { expired: state.expired });
  const { session } = state;
  if (session.org === '') {
    return view(
      Frame,
      { session, route },
      view(Empty, {
        title: 'No organization',
        text: `${session.user} belongs to no organization yet. An administrator can change that.`,
      }),
    );
  }
  return view(Frame, { session, route }, view(Page, { route, org: session.org, key: session.org }));
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
