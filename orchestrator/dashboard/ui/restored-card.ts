import type { VNode } from 'preact';
import type { Overview } from '../../../protocol/rest-overview.ts';
import { plural } from '../model/format.ts';
import { agentLink, jobLink } from '../model/route.ts';
import { Ago, said } from './bits.ts';
import { html, view } from './html.ts';

/** That the orchestrator was put back to a backup: what waits since then, and how to go on. */
export function Restored({ data }: { data: Overview }): VNode | null {
  const { restore } = data;
  if (!restore) return null;
  const { held, lost_results: lost, agents_quarantined: quarantined } = restore;
  const machines = data.held.filter(({ quarantine }) => quarantine?.reason === 'certificate_unknown');
  return html`<section class="card" aria-labelledby="restored"><h2 id="restored">Restored from a backup</h2>
    <p>What happened between ${view(Ago, { at: restore.backup_at })} and ${view(Ago, { at: restore.at })} is lost here. Who was locked, revoked or disabled then is not any more.</p>
    <ul class="entries">
      ${held.jobs.map(
        ({ id, description, commands }) => html`<li key=${id}><a href=${jobLink(id)}>${said(description)}</a>
          <span class="badge busy still">held</span> <span class="quiet">${plural(commands, 'command')}</span></li>`,
      )}
      ${held.commands === 0 ? null : html`<li key="release">Let them go: <code>vm-orchestrator jobs release --all-held</code>, or cancel them.</li>`}
      ${machines.map(
        ({ agent_id, vm_id }) => html`<li key=${agent_id}><a href=${agentLink(agent_id)}>${vm_id}</a>
          <span class="badge bad">quarantined</span></li>`,
      )}
      ${quarantined === 0 ? null : html`<li key="admit">The backup does not know their certificates: <code>vm-orchestrator agents admit --selector all --reason certificate_unknown</code>, when they are yours.</li>`}
      ${restore.tokens_revoked === 0 ? null : html`<li key="tokens">${plural(restore.tokens_revoked, 'provisioning token')} that nobody had used ended: <a href="#/add">make new ones</a>.</li>`}
      ${lost === 0 ? null : html`<li key="lost"><a href="#/audit">The audit log</a> has ${plural(lost, 'result')} of commands that were given after the backup.</li>`}
      <li key="done">When this is dealt with: <code>vm-orchestrator restores acknowledge ${restore.id}</code></li>
    </ul>
  </section>`;
}
