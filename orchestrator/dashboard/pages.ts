import type { VNode } from 'preact';
import type { Permission } from '../../protocol/roles.ts';
import type { Pattern, Place } from './model/route.ts';
import { AddPage } from './ui/add-page.ts';
import { AgentPage } from './ui/agent-page.ts';
import { AgentsPage } from './ui/agents-page.ts';
import { view } from './ui/html.ts';
import { JobPage } from './ui/job-page.ts';
import { JobsPage } from './ui/jobs-page.ts';
import { OverviewPage } from './ui/overview-page.ts';
import type { Session } from './ui/session.ts';
import { TokensPage } from './ui/tokens-page.ts';

export interface PageContext {
  /** Identifier of the organization that is looked at. */
  org: string;
  session: Session;
  place: Place;
  /** Whether the person may do this in the organization; the server decides, the page only does not offer the rest. */
  may(permission: Permission): boolean;
}

export interface Page {
  /** The tab that is marked; see {@link TABS}. */
  tab: string;
  render(context: PageContext): VNode;
}

/** The tabs in their order, and who sees each. */
export const TABS: readonly { name: string; href: string; label: string; needs: Permission }[] = [
  { name: 'overview', href: '#/', label: 'Overview', needs: 'agents.read' },
  { name: 'agents', href: '#/agents', label: 'Agents', needs: 'agents.read' },
  { name: 'jobs', href: '#/jobs', label: 'Jobs', needs: 'jobs.read' },
  { name: 'tokens', href: '#/tokens', label: 'Tokens', needs: 'provisioning.read' },
];

const agent: Page = {
  tab: 'agents',
  render({ org, place: { params, query }, may }) {
    const { id = '', tab = 'overview' } = params;
    return view(AgentPage, { org, id, tab, query, may, key: id });
  },
};

/** Every page by its pattern; the first that fits is shown. A new page is a line here. */
export const PAGES: ReadonlyMap<Pattern, Page> = new Map<Pattern, Page>([
  [
    '',
    {
      tab: 'overview',
      render: ({ org, may }) => view(OverviewPage, { org, mayAdd: may('provisioning.write') }),
    },
  ],
  [
    'agents',
    {
      tab: 'agents',
      render: ({ org, place, may }) =>
        view(AgentsPage, {
          org,
          filter: place.query.get('q') ?? '',
          mayRun: may('jobs.run'),
          mayAdd: may('provisioning.write'),
        }),
    },
  ],
  ['agents/:id', agent],
  ['add', { tab: 'agents', render: ({ org }) => view(AddPage, { org }) }],
  ['tokens', { tab: 'tokens', render: ({ org }) => view(TokensPage, { org }) }],
  ['jobs', { tab: 'jobs', render: ({ org }) => view(JobsPage, { org }) }],
  [
    'jobs/:id',
    {
      tab: 'jobs',
      render: ({ org, place }) =>
        view(JobPage, { org, id: place.params['id'] ?? '', key: place.params['id'] ?? '' }),
    },
  ],
  // The last: what has a page of its own below an agent stands above.
  ['agents/:id/:tab', agent],
]);
