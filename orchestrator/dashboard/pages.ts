import type { VNode } from 'preact';
import type { Permission } from '../../protocol/roles.ts';
import type { Pattern, Place } from './model/route.ts';
import { AddPage } from './ui/add-page.ts';
import { AgentPage } from './ui/agent-page.ts';
import { AgentsPage } from './ui/agents-page.ts';
import { view } from './ui/html.ts';
import { JobPage } from './ui/job-page.ts';
import { JobsPage } from './ui/jobs-page.ts';
import { RecordingsPage } from './ui/recordings-page.ts';
import { ReplayPage } from './ui/replay-page.ts';
import type { Session } from './ui/session.ts';
import { TerminalPage } from './ui/terminal-page.ts';
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
  { name: 'agents', href: '#/agents', label: 'Agents', needs: 'agents.read' },
  { name: 'jobs', href: '#/jobs', label: 'Jobs', needs: 'jobs.read' },
  { name: 'tokens', href: '#/tokens', label: 'Tokens', needs: 'provisioning.read' },
  { name: 'recordings', href: '#/recordings', label: 'Recordings', needs: 'recordings.read' },
];

const agents: Page = { tab: 'agents', render: ({ org }) => view(AgentsPage, { org }) };

/** Every page by its pattern; the first that fits is shown. A new page is a line here. */
export const PAGES: ReadonlyMap<Pattern, Page> = new Map<Pattern, Page>([
  ['', agents],
  ['agents', agents],
  [
    'agents/:id',
    {
      tab: 'agents',
      render: ({ org, place }) =>
        view(AgentPage, { org, id: place.params['id'] ?? '', key: place.params['id'] ?? '' }),
    },
  ],
  [
    'agents/:id/terminal',
    {
      tab: 'agents',
      render: ({ org, place }) =>
        view(TerminalPage, {
          org,
          id: place.params['id'] ?? '',
          attach: place.query.get('attach'),
          key: place.params['id'] ?? '',
        }),
    },
  ],
  [
    'agents/:id/recordings',
    {
      tab: 'agents',
      render: ({ org, place, may }) =>
        view(RecordingsPage, {
          org,
          agent: place.params['id'] ?? '',
          mayDelete: may('recordings.write'),
          key: place.params['id'] ?? '',
        }),
    },
  ],
  [
    'recordings',
    {
      tab: 'recordings',
      render: ({ org, may }) => view(RecordingsPage, { org, mayDelete: may('recordings.write') }),
    },
  ],
  [
    'recordings/:id',
    {
      tab: 'recordings',
      render: ({ org, place }) =>
        view(ReplayPage, { org, id: place.params['id'] ?? '', key: place.params['id'] ?? '' }),
    },
  ],
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
]);
