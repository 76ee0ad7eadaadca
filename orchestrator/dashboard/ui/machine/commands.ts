import type { VNode } from 'preact';
import type { AgentCommand } from '../../../../protocol/rest-calls.ts';
import { formatDuration } from '../../model/format.ts';
import { jobLink } from '../../model/route.ts';
import { safeLine } from '../../model/safe-text.ts';
import { reasonText } from '../../model/states.ts';
import { fetchCommands } from '../../net/agent-api.ts';
import { Ago, Empty, ErrorBox, Loading, StateBadge, said } from '../bits.ts';
import { html, view } from '../html.ts';
import { usePages } from '../use-pages.ts';
import type { TabProps } from './context.ts';
import { NotAllowed } from './offline.ts';

const EVERY_MS = 5000;
const ORIGINS = [
  { id: 'job', label: 'Jobs' },
  { id: 'call', label: 'Calls of this page' },
  { id: '', label: 'Both' },
] as const;

export function CommandsTab({ agent, at, query, may }: TabProps): VNode {
  const origin = ORIGINS.find(({ id }) => id === query.get('of'))?.id ?? 'job';
  const allowed = may('jobs.read');
  const { items, error, refresh, older, olderError } = usePages<AgentCommand>(
    (cursor, signal) =>
      allowed
        ? fetchCommands(at, { cursor, origin }, signal)
        : Promise.resolve({ items: [], next_cursor: null }),
    EVERY_MS,
    [at.org, at.id, origin],
  );
  if (!allowed) return view(NotAllowed, { what: 'see commands', right: 'jobs.read' });
  return html`<div>
    <nav class="segmented" aria-label="Which commands">${ORIGINS.map(
      ({ id, label }) =>
        html`<a key=${id} href=${`#/agents/${agent.agent_id}/commands?of=${id}`} aria-current=${id === origin ? 'true' : undefined}>${label}</a>`,
    )}</nav>
    ${error === undefined ? null : view(ErrorBox, { error, onRetry: refresh })}
    ${items === undefined && error === undefined ? view(Loading, { what: 'commands' }) : null}
    ${
      items?.length === 0
        ? view(Empty, {
            title: 'Nothing was sent to this machine',
            text:
              origin === 'call'
                ? 'What this page reads from the machine is listed here for some hours.'
                : 'Run a command on the overview, and it appears here.',
          })
        : null
    }
    ${items === undefined || items.length === 0 ? null : view(Table, { items })}
    ${olderError === undefined ? null : view(ErrorBox, { error: olderError })}
    ${older === undefined ? null : html`<div class="actions"><button type="button" class="button" onClick=${older}>Older commands</button></div>`}
  </div>`;
}

function Table({ items }: { items: readonly AgentCommand[] }): VNode {
  return html`<div class="table-box"><table class="history">
    <caption class="hidden">Commands of this machine, the newest first</caption>
    <thead><tr><th scope="col">When</th><th scope="col">What</th><th scope="col">State</th><th scope="col">Took</th><th scope="col">By</th></tr></thead>
    <tbody>${items.map((command) => {
      const { result, started_at: start, ended_at: end } = command;
      const took =
        result?.duration_ms ??
        (start !== null && end !== null ? Date.parse(end) - Date.parse(start) : undefined);
      return html`<tr key=${command.id}>
        <td data-label="When">${view(Ago, { at: command.created_at })}</td>
        <td class="command" data-label="What"><a href=${jobLink(command.job_id)}>${said(command.tool)}</a>
          <code>${safeLine(command.summary)}</code>${command.description === '' ? null : html`<small>${said(command.description)}</small>`}</td>
        <td data-label="State">${view(StateBadge, { state: command.state })}
          ${result?.exit_code === undefined ? null : html`<small>exit code ${result.exit_code}</small>`}
          ${result?.error === undefined ? (command.reason === null ? null : html`<small>${reasonText(command.reason)}</small>`) : html`<small>${safeLine(result.error.message)}</small>`}</td>
        <td data-label="Took">${took === undefined ? '' : formatDuration(took)}</td>
        <td data-label="By">${said(command.created_by.name)}</td></tr>`;
    })}</tbody></table></div>`;
}
