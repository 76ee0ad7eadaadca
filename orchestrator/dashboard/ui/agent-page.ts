import type { VNode } from 'preact';

import { useState } from 'preact/hooks';
import type { Agent } from '../../../protocol/rest-fleet.ts';
import { formatBytes, formatDuration } from '../model/format.ts';
import { type ApiError, asApiError } from '../net/api.ts';
import { fetchAgent, revokeAgent } from '../net/endpoints.ts';
import { usePolling } from '../net/hooks.ts';
import { Load, OnlineState } from './agents-table.ts';
import { Ago, ConfirmButton, ErrorBox, LabelList, Loading, PageTitle, said, Until } from './bits.ts';
import { Composer } from './composer.ts';
import { html, view } from './html.ts';

const AGENT_EVERY_MS = 3000;

export function AgentPage({ org, id }: { org: string; id: string }): VNode {
  const {
    data: agent,
    error,
    refresh,
  } = usePolling((signal) => fetchAgent(org, id, signal), AGENT_EVERY_MS, [org, id]);
  const [failure, setFailure] = useState<ApiError | undefined>(undefined);
  const revoke = async (agentId: string) => {
    setFailure(undefined);
    try {
      await revokeAgent(org, agentId);
      location.hash = '#/agents';
    } catch (cause) {
      setFailure(asApiError(cause));
      refresh();
    }
  };
  const back = html`<p class="crumb"><a href="#/agents">Agents</a></p>`;
  if (agent === undefined) {
    return html`<div>${back}${view(PageTitle, { title: 'Agent' })}
      ${error === undefined ? view(Loading, { what: 'agent' }) : view(ErrorBox, { error, onRetry: refresh })}</div>`;
  }
  return html`<div>${back}
    ${view(
      PageTitle,
      { title: agent.vm_id },
      html`${view(OnlineState, { agent })}
      ${
        agent.state === 'revoked'
          ? null
          : view(ConfirmButton, {
              label: 'Revoke',
              question: `Revoke ${agent.vm_id}`,
              danger: true,
              onConfirm: () => void revoke(agent.agent_id),
            })
      }`,
    )}
    ${failure === undefined ? null : view(ErrorBox, { error: failure })}
    ${view(Composer, { org, agents: [agent], selected: new Set<string>(), only: agent })}
    <section class="card" aria-labelledby="facts"><h2 id="facts">Machine</h2>${view(Facts, { agent })}</section>
  </div>`;
}

function Facts({ agent }: { agent: Agent }): VNode {
  const { facts, load } = agent;
  const none = html`<span class="quiet">none</span>`;
  const rows: [string, unknown][] = [
    ['Agent', html`<code>${agent.agent_id}</code>`],
    ['Host name', said(agent.hostname)],
    ['Version', said(agent.version ?? 'not known')],
    ['Load', view(Load, { load, cpus: facts?.cpus ?? 1, online: agent.online })],
    [
      'System',
      said(
        facts === null
          ? 'not known'
          : [facts.os_name || facts.os, facts.kernel, facts.arch].filter((t) => t !== '').join(' · '),
      ),
    ],
    [
      'Hardware',
      facts === null
        ? 'not known'
        : said(
            `${facts.cpus} CPU · ${formatBytes(facts.memory_bytes)} memory${facts.virtualization === undefined ? '' : ` · ${facts.virtualization}`}`,
          ),
    ],
    ['Up', load === null ? 'not known' : formatDuration(load.uptime_s * 1000)],
    ['Addresses', said(facts === null ? 'not known' : facts.addresses.join(', ') || 'none')],
    ['Connects from', said(agent.address ?? 'not known')],
    [
      'Labels',
      Object.keys(agent.labels).length === 0
        ? none
        : view(LabelList, { labels: agent.labels, note: 'Granted labels' }),
    ],
    [
      'Reported labels',
      Object.keys(agent.reported_labels).length === 0
        ? none
        : view(LabelList, { labels: agent.reported_labels, note: 'Labels that the machine itself reports' }),
    ],
    ['Tools', agent.tools.length === 0 ? none : said(agent.tools.join(', '))],
    ['Enrolled', view(Ago, { at: agent.enrolled_at })],
    [
      'Connected',
      agent.connected_at === null || !agent.online ? 'no' : view(Ago, { at: agent.connected_at }),
    ],
    ['Certificate ends', view(Until, { at: agent.certificate_expires_at })],
  ];
  return html`<dl class="facts">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
