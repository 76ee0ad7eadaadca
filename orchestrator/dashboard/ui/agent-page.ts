import type { ComponentType, VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Agent } from '../../../protocol/rest-fleet.ts';
import type { Permission } from '../../../protocol/roles.ts';
import { changeAgent } from '../net/agent-api.ts';
import { type ApiError, asApiError } from '../net/api.ts';
import { fetchAgent, revokeAgent } from '../net/endpoints.ts';
import { usePolling } from '../net/hooks.ts';
import { OnlineState } from './agents-table.ts';
import { ConfirmButton, Empty, ErrorBox, Loading, PageTitle } from './bits.ts';
import { html, view } from './html.ts';
import { AuditTab } from './machine/audit.ts';
import { CertificateTab } from './machine/certificate.ts';
import { CommandsTab } from './machine/commands.ts';
import type { TabName, TabProps } from './machine/context.ts';
import { FilesTab } from './machine/files.ts';
import { MachineLockBox } from './machine/lock.ts';
import { LogsTab } from './machine/logs.ts';
import { MetricsTab } from './machine/metrics.ts';
import { OverviewTab } from './machine/overview.ts';
import { ProcessesTab } from './machine/processes.ts';

const AGENT_EVERY_MS = 3000;

type Tab = {
  name: TabName;
  label: string;
  needs: Permission;
  component: ComponentType<TabProps> | ((props: TabProps) => VNode);
};
/** In their order; who lacks the right of one is not shown the way to it. */
const TABS: readonly Tab[] = [
  { name: 'overview', label: 'Overview', needs: 'agents.read', component: OverviewTab },
  { name: 'metrics', label: 'Metrics', needs: 'metrics.read', component: MetricsTab },
  { name: 'processes', label: 'Processes', needs: 'inspect.read', component: ProcessesTab },
  { name: 'files', label: 'Files', needs: 'files.read', component: FilesTab },
  { name: 'logs', label: 'Logs', needs: 'files.read', component: LogsTab },
  { name: 'commands', label: 'Commands', needs: 'jobs.read', component: CommandsTab },
  { name: 'certificate', label: 'Certificate', needs: 'agents.read', component: CertificateTab },
  { name: 'audit', label: 'Audit', needs: 'audit.read', component: AuditTab },
];

export interface AgentPageProps {
  org: string;
  id: string;
  tab: string;
  query: ReadonlyMap<string, string>;
  may(permission: Permission): boolean;
}

/** One machine: what it is, what it does, what is on it, and what was done to it. */
export function AgentPage({ org, id, tab, query, may }: AgentPageProps): VNode {
  const {
    data: agent,
    error,
    refresh,
  } = usePolling((signal) => fetchAgent(org, id, signal), AGENT_EVERY_MS, [org, id]);
  const back = html`<p class="crumb"><a href="#/agents">Agents</a></p>`;
  if (agent === undefined) {
    return html`<div>${back}${view(PageTitle, { title: 'Agent' })}
      ${error === undefined ? view(Loading, { what: 'agent' }) : view(ErrorBox, { error, onRetry: refresh })}</div>`;
  }
  const shown = TABS.find(({ name }) => name === tab);
  return html`<div class="agent-page">${back}
    ${view(PageTitle, { title: agent.vm_id }, html`${view(OnlineState, { agent })}`)}
    ${may('agents.write') ? view(Actions, { org, agent, refresh }) : null}
    ${view(MachineLockBox, { org, agent, mayWrite: may('locks.write') })}
    ${view(TabList, { agent, tab, may })}
    ${
      shown === undefined
        ? view(Empty, {
            title: 'There is no such page',
            text: 'The link may be cut or old. The tabs above lead on.',
          })
        : view(shown.component as (props: TabProps) => VNode, {
            key: shown.name,
            org,
            agent,
            at: { org, id: agent.agent_id },
            query,
            may,
            refresh,
          })
    }
  </div>`;
}

function TabList({ agent, tab, may }: Pick<AgentPageProps, 'tab' | 'may'> & { agent: Agent }): VNode {
  const links = [
    ...TABS.filter(({ needs }) => may(needs)).map(({ name, label }) => ({ name: name as string, label })),
    ...(may('terminal.open') ? [{ name: 'terminal', label: 'Terminal' }] : []),
    ...(may('recordings.read') ? [{ name: 'recordings', label: 'Recordings' }] : []),
  ];
  const nav = useRef<HTMLElement>(null);
  // On a narrow screen the marked one may lie outside.
  useEffect(() => {
    nav.current?.querySelector('[aria-current]')?.scrollIntoView({ inline: 'center', block: 'nearest' });
  }, [tab]);
  return html`<nav class="tabs" ref=${nav} aria-label="Parts of this machine’s page">${links.map(
    ({ name, label }) =>
      html`<a key=${name} href=${`#/agents/${agent.agent_id}/${name}`} aria-current=${name === tab ? 'page' : undefined}>${label}</a>`,
  )}</nav>`;
}

/** What an operator decides about the machine as a whole. */
function Actions({ org, agent, refresh }: { org: string; agent: Agent; refresh: () => void }): VNode | null {
  const [failure, setFailure] = useState<ApiError | undefined>(undefined);
  if (agent.state === 'revoked') return null;
  const attempt = async (work: () => Promise<unknown>) => {
    setFailure(undefined);
    try {
      await work();
    } catch (cause) {
      setFailure(asApiError(cause));
    }
    refresh();
  };
  const at = { org, id: agent.agent_id };
  const revoke = () =>
    attempt(async () => {
      await revokeAgent(org, agent.agent_id);
      location.hash = '#/agents';
    });
  return html`<div class="agent-actions">
    ${
      agent.state === 'active'
        ? view(ConfirmButton, {
            label: 'Quarantine',
            question: `Quarantine ${agent.vm_id} until it is admitted again`,
            onConfirm: () => void attempt(() => changeAgent(at, { state: 'quarantined' })),
          })
        : view(ConfirmButton, {
            label: 'Admit',
            question: `Admit ${agent.vm_id}`,
            onConfirm: () => void attempt(() => changeAgent(at, { state: 'active' })),
          })
    }
    ${view(ConfirmButton, { label: 'Revoke', question: `Revoke ${agent.vm_id}`, danger: true, onConfirm: () => void revoke() })}
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
  </div>`;
}
