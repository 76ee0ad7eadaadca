import type { ComponentType, VNode } from 'preact';
import type { Agent } from '../../../protocol/rest-fleet.ts';
import type { Permission } from '../../../protocol/roles.ts';
import { changeAgent } from '../net/agent-api.ts';
import { fetchAgent, revokeAgent } from '../net/endpoints.ts';
import { usePolling } from '../net/hooks.ts';
import { OnlineState } from './agents-table.ts';
import { ConfirmButton, Empty, ErrorBox, Loading, PageTitle } from './bits.ts';
import { html, view } from './html.ts';
import { AuditTab } from './machine/audit.ts';
import { CertificateTab } from './machine/certificate.ts';
import { CommandsTab } from './machine/commands.ts';
import { TAB_NAMES, type TabName, type TabProps } from './machine/context.ts';
import { FilesTab } from './machine/files.ts';
import { MachineLockBox } from './machine/lock.ts';
import { LogsTab } from './machine/logs.ts';
import { MetricsTab } from './machine/metrics.ts';
import { OverviewTab } from './machine/overview.ts';
import { ProcessesTab } from './machine/processes.ts';
import { QuarantineBox } from './machine/quarantine.ts';
import { MachineTabs } from './machine/tabs.ts';
import { useSubmit } from './use-submit.ts';

const AGENT_EVERY_MS = 3000;

const COMPONENTS: Readonly<Record<TabName, ComponentType<TabProps> | ((props: TabProps) => VNode)>> = {
  overview: OverviewTab,
  metrics: MetricsTab,
  processes: ProcessesTab,
  files: FilesTab,
  logs: LogsTab,
  commands: CommandsTab,
  certificate: CertificateTab,
  audit: AuditTab,
};

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
  const name = TAB_NAMES.find((each) => each === tab);
  return html`<div class="agent-page">${back}
    ${view(PageTitle, { title: agent.vm_id }, html`${view(OnlineState, { agent })}`)}
    ${may('agents.write') ? view(Actions, { org, agent, refresh }) : null}
    ${view(QuarantineBox, { agent })}
    ${view(MachineLockBox, { org, agent, mayWrite: may('locks.write') })}
    ${view(MachineTabs, { id: agent.agent_id, tab, may })}
    ${
      name === undefined
        ? view(Empty, {
            title: 'There is no such page',
            text: 'The link may be cut or old. The tabs above lead on.',
          })
        : view(COMPONENTS[name] as (props: TabProps) => VNode, {
            key: name,
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

/** What an operator decides about the machine as a whole. */
function Actions({ org, agent, refresh }: { org: string; agent: Agent; refresh: () => void }): VNode | null {
  const { error: failure, run } = useSubmit();
  if (agent.state === 'revoked') return null;
  const attempt = (work: () => Promise<unknown>) => void run(work).then(refresh);
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
            onConfirm: () => attempt(() => changeAgent(at, { state: 'quarantined' })),
          })
        : view(ConfirmButton, {
            label: 'Admit',
            question: `Admit ${agent.vm_id}`,
            onConfirm: () => attempt(() => changeAgent(at, { state: 'active' })),
          })
    }
    ${view(ConfirmButton, { label: 'Revoke', question: `Revoke ${agent.vm_id}`, danger: true, onConfirm: revoke })}
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
  </div>`;
}
