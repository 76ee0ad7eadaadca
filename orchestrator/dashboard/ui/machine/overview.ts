import type { VNode } from 'preact';
import type { Agent } from '../../../../protocol/rest-fleet.ts';
import { formatBytes, formatDuration } from '../../model/format.ts';
import { Load } from '../agents-table.ts';
import { Ago, said, Until } from '../bits.ts';
import { Composer } from '../composer.ts';
import { html, view } from '../html.ts';
import type { TabProps } from './context.ts';
import { Labels } from './labels.ts';

export function OverviewTab(props: TabProps): VNode {
  const { org, agent, may } = props;
  return html`<div>
    ${
      may('jobs.run') && agent.state !== 'revoked'
        ? view(Composer, { org, agents: [agent], selected: new Set<string>(), only: agent })
        : null
    }
    <section class="card" aria-labelledby="facts"><h2 id="facts">Machine</h2>${view(Facts, { agent })}</section>
    ${view(Labels, props)}
    <section class="card" aria-labelledby="tools"><h2 id="tools">Tools</h2>
      ${
        agent.tools.length === 0
          ? html`<p class="quiet">It has not said yet what it can do.</p>`
          : html`<ul class="labels" aria-labelledby="tools">${agent.tools.map((name) => html`<li key=${name}>${said(name)}</li>`)}</ul>`
      }
    </section>
  </div>`;
}

function Facts({ agent }: { agent: Agent }): VNode {
  const { facts, load } = agent;
  const rows: [string, unknown][] = [
    ['Agent', html`<code>${agent.agent_id}</code>`],
    ['Host name', said(agent.hostname)],
    ['Version', said(agent.version ?? 'not known')],
    ['Load', view(Load, { load, cpus: facts?.cpus ?? 0, online: agent.online })],
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
    ['Enrolled', view(Ago, { at: agent.enrolled_at })],
    [
      'Connected',
      agent.connected_at === null || !agent.online
        ? 'no'
        : html`${view(Ago, { at: agent.connected_at })}${agent.transport === 'poll' ? ' by long polling: something on its way blocks WebSockets' : ''}`,
    ],
    ['Certificate ends', view(Until, { at: agent.certificate_expires_at })],
  ];
  return html`<dl class="facts">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
