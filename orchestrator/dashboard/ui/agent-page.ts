import type { VNode } from 'preact';

import type { Agent } from '../../../protocol/rest-fleet.ts';
import { formatBytes, formatDuration } from '../model/format.ts';
import { fetchAgent } from '../net/endpoints.ts';
import { usePolling } from '../net/hooks.ts';
import { Load, OnlineState } from './agents-table.ts';
import { Ago, ErrorBox, LabelList, Loading, PageTitle, said, Until } from './bits.ts';
import { Composer } from './composer.ts';
import { html, view } from './html.ts';

const AGENT_EVERY_MS = 3000;

export function AgentPage({ org, id }: { org: string; id: string }): VNode {
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
  return html`<div>${back}
    ${view(PageTitle, { title: agent.vm_id }, view(OnlineState, { agent }))}
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
    ['Load', view(Load, { agent })],
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
