import type { Agent } from '../../../protocol/rest-fleet.ts';

/** What the API takes in one selector. */
const MAX_SELECTOR = 4096;
/** A vm_id has 11 characters at least. */
const MAX_NAMED = MAX_SELECTOR / 11;
/** In a fleet too large to be listed, offline machines let the command lapse after this long (seconds). */
const ONLINE_ONLY_S = 60;

export type TargetMode = 'online' | 'selected' | 'selector';

export interface Target {
  selector: string;
  /** Set where the command must start soon or not at all. */
  expiresIn?: number;
  /** What the person should know about who is meant. */
  note: string;
  /** Why it cannot be sent. */
  problem?: string;
}

/** What choosing machines needs to know of one. */
export type Known = Pick<Agent, 'agent_id' | 'vm_id' | 'online' | 'state'>;

export const canRun = (agent: Known): boolean => agent.online && agent.state === 'active';

// vm_ids, which a person can read; they are unique among the organization's machines.
const byId = (agents: readonly Known[]): string => `id=${agents.map((agent) => agent.vm_id).join('|')}`;

/** The selector of a choice made on the page. */
export function resolveTarget(
  mode: TargetMode,
  agents: readonly Known[],
  selected: ReadonlySet<string>,
  typed: string,
): Target {
  if (mode === 'selector') {
    const selector = typed.trim();
    return selector === ''
      ? { selector, note: '', problem: 'Write a selector, for example env=prod,role!=db or all.' }
      : { selector, note: 'Machines that are offline run it when they return, until it expires.' };
  }
  if (mode === 'online') {
    const online = agents.filter(canRun);
    if (online.length === 0) return { selector: '', note: '', problem: 'No machine is online.' };
    // Thousands need not be named to see that they are too many.
    const selector = online.length <= MAX_NAMED ? byId(online) : undefined;
    if (selector !== undefined && selector.length <= MAX_SELECTOR) return { selector, note: '' };
    const note = `Sent to all; machines that are offline for the next ${ONLINE_ONLY_S} s do not run it.`;
    return { selector: 'all', expiresIn: ONLINE_ONLY_S, note };
  }
  const chosen = agents.filter((agent) => selected.has(agent.agent_id));
  if (chosen.length === 0) return { selector: '', note: '', problem: 'Select machines in the list first.' };
  const selector = byId(chosen);
  if (selector.length > MAX_SELECTOR) {
    const problem = 'Too many machines to name one by one; choose them by a selector on their labels.';
    return { selector: '', note: '', problem };
  }
  const offline = chosen.filter((agent) => !agent.online).length;
  return { selector, note: offline === 0 ? '' : `${offline} offline: they run it when they return.` };
}
