import type { VNode } from 'preact';
import { quarantineText } from '../../../../protocol/quarantine.ts';
import type { Agent } from '../../../../protocol/rest-fleet.ts';
import { Ago, said } from '../bits.ts';
import { html, view } from '../html.ts';

/** Why the machine gets nothing, for whoever decides whether to admit it. */
export function QuarantineBox({ agent }: { agent: Agent }): VNode | null {
  const { quarantine } = agent;
  if (agent.state !== 'quarantined' || quarantine == null) return null;
  return html`<div class="notice warn" role="status">
    <div>
      <p><strong>In quarantine:</strong> ${said(quarantineText(quarantine))}</p>
      <p class="quiet">Since ${view(Ago, { at: quarantine.since })}. Nothing is sent to it until somebody admits it; what is queued waits until then.</p>
    </div>
  </div>`;
}
