import type { VNode } from 'preact';
import type { Agent } from '../../../../protocol/rest-fleet.ts';
import { Empty } from '../bits.ts';
import { html, view } from '../html.ts';

/** In the place of what has to be asked of the machine itself. */
export function Offline({ agent, what }: { agent: Agent; what: string }): VNode {
  const text =
    agent.state === 'active'
      ? `${what} are read on the machine, which is offline. They appear here when it is back; a command for it can be sent now and waits.`
      : `${what} are read on the machine, and this one is ${agent.state}.`;
  return view(
    Empty,
    { title: agent.state === 'active' ? 'The machine is offline' : `The machine is ${agent.state}`, text },
    html`<a class="button" href=${`#/agents/${agent.agent_id}/metrics`}>Look at its last metrics</a>`,
  );
}

/** In the place of what the person may not see. */
export const NotAllowed = ({ what, right }: { what: string; right: string }): VNode =>
  view(Empty, {
    title: `You may not ${what}`,
    text: `This needs the right ${right}. An admin of the organization can give you a role that has it.`,
  });
