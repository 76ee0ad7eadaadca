import type { VNode } from 'preact';
import type { Permission } from '../../protocol/roles.ts';
import type { Pattern, Place } from './model/route.ts';
import { AddPage } from './ui/add-page.ts';
import { AgentPage } from './ui/agent-page.ts';
import { AgentsPage } from './ui/agents-page.ts';
import { ApprovalsPage } from './ui/approvals/approvals-page.ts';
import { PendingBadge } from './ui/approvals/frame.ts';
import { LocksPage } from './ui/approvals/locks-page.ts';
import { RulesPage } from './ui/approvals/rules-page.ts';
import { AuditPage } from './ui/audit-page.ts';
import { view } from './ui/html.ts';
import { JobPage } from './ui/job-page.ts';
import { JobsPage } from './ui/jobs-page.ts';
import { NewJobPage } from './ui/new-job-page.ts';
import { OverviewPage } from './ui/overview-page.ts';
import { RecordingsPage } from './ui/recordings-page.ts';
import { ReplayPage } from './ui/replay-page.ts';
import { SavedPage } from './ui/saved-page.ts';
import { SchedulesPage } from './ui/schedules-page.ts';
import type { Session } from './ui/session.ts';
import { SETTINGS } from './ui/settings/pages.ts';
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

export interface Tab {
  name: string;
  href: string;
  label: string;
  /** Undefined: everybody sees it. */
  needs?: Permission;
  /** Drawn beside the label: what waits there. */
  badge?: (org: string) => VNode;
}

/** The tabs in their order, and who sees each. */
export const TABS: readonly Tab[] = [
  { name: 'overview', href: '#/', label: 'Overview', needs: 'agents.read' },
  { name: 'agents', href: '#/agents', label: 'Agents', needs: 'agents.read' },
  { name: 'jobs', href: '#/jobs', label: 'Jobs', needs: 'jobs.read' },
  {
    name: 'approvals',
    href: '#/approvals',
    label: 'Approvals',
    needs: 'approvals.read',
    badge: (org) => view(PendingBadge, { org }),
  },
  { name: 'audit', href: '#/audit', label: 'Audit', needs: 'audit.read' },
  { name: 'settings', href: '#/settings', label: 'Settings' },
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
          may,
        }),
    },
  ],
  ['agents/:id', agent],
  [
    'agents/:id/terminal',
    {
      tab: 'agents',
      render: ({ org, place, may }) =>
        view(TerminalPage, {
          org,
          may,
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
          may,
          key: place.params['id'] ?? '',
        }),
    },
  ],
  [
    'recordings',
    {
      tab: 'audit',
      render: ({ org, may }) => view(RecordingsPage, { org, may }),
    },
  ],
  [
    'recordings/:id',
    {
      tab: 'audit',
      render: ({ org, place }) =>
        view(ReplayPage, { org, id: place.params['id'] ?? '', key: place.params['id'] ?? '' }),
    },
  ],
  ['add', { tab: 'agents', render: ({ org }) => view(AddPage, { org }) }],
  ['tokens', { tab: 'agents', render: ({ org }) => view(TokensPage, { org }) }],
  [
    'audit',
    {
      tab: 'audit',
      render: ({ org, place, session }) =>
        view(AuditPage, { org, system: session.systemAdmin, query: place.query }),
    },
  ],
  ['jobs', { tab: 'jobs', render: ({ org, may }) => view(JobsPage, { org, mayRun: may('jobs.run') }) }],
  [
    'schedules',
    {
      tab: 'jobs',
      render: ({ org, may }) => view(SchedulesPage, { org, mayChange: may('schedules.write') }),
    },
  ],
  [
    'saved',
    {
      tab: 'jobs',
      render: ({ org, may }) =>
        view(SavedPage, { org, mayRun: may('jobs.run'), mayChange: may('schedules.write') }),
    },
  ],
  ['jobs/new', { tab: 'jobs', render: ({ org }) => view(NewJobPage, { org }) }],
  [
    'approvals',
    {
      tab: 'approvals',
      render: ({ org, session }) =>
        view(ApprovalsPage, { org, user: session.user, state: 'pending', key: 'pending' }),
    },
  ],
  [
    'approvals/ended',
    {
      tab: 'approvals',
      render: ({ org, session }) =>
        view(ApprovalsPage, { org, user: session.user, state: 'ended', key: 'ended' }),
    },
  ],
  [
    'approvals/rules',
    {
      tab: 'approvals',
      render: ({ org, may }) => view(RulesPage, { org, mayWrite: may('approval_rules.write') }),
    },
  ],
  [
    'locks',
    { tab: 'approvals', render: ({ org, may }) => view(LocksPage, { org, mayWrite: may('locks.write') }) },
  ],
  [
    'jobs/:id',
    {
      tab: 'jobs',
      render: ({ org, place, may }) =>
        view(JobPage, {
          org,
          id: place.params['id'] ?? '',
          mayRun: may('jobs.run'),
          key: place.params['id'] ?? '',
        }),
    },
  ],
  ...SETTINGS,
  // The last: what has a page of its own below an agent stands above.
  ['agents/:id/:tab', agent],
]);
