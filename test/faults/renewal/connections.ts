import { CLOSE } from '../../../protocol/version.ts';

/** What an orchestrator has logged of the connections of one agent, in order. */
type Step = { kind: 'connected'; resumed: boolean } | { kind: 'disconnected'; code: number };

export function connectionsOf(log: string, vmId: string): Step[] {
  return log.split('\n').flatMap((line): Step[] => {
    if (!line.startsWith('{')) return [];
    const { msg, vm_id, resumed, code } = JSON.parse(line) as Record<string, unknown>;
    if (vm_id !== vmId) return [];
    if (msg === 'agent connected') return [{ kind: 'connected', resumed: resumed === true }];
    if (msg === 'agent disconnected') return [{ kind: 'disconnected', code: Number(code) }];
    return [];
  });
}

export interface Switches {
  /** The session went over to a newer connection, and in the same instant the older one was closed. */
  moved: number;
  /** Sessions that began anew, the first included. */
  begun: number;
  /** Connections that ended otherwise: until the next one the machine could not be reached. */
  lost: number;
  /** Connections that stood beside another one. */
  beside: number;
}

/** How connections followed each other. The log names the old one's end just before the new one's beginning. */
export function switchesOf(steps: readonly Step[]): Switches {
  const found: Switches = { moved: 0, begun: 0, lost: 0, beside: 0 };
  let open = 0;
  steps.forEach((step, at) => {
    if (step.kind === 'connected') {
      if (!step.resumed) found.begun++;
      if (open > 0) found.beside++;
      open++;
      return;
    }
    open--;
    const next = steps[at + 1];
    const moves = step.code === CLOSE.supersededSession && next?.kind === 'connected' && next.resumed;
    if (moves) found.moved++;
    else found.lost++;
  });
  return found;
}
