import type { VNode } from 'preact';
import type { Permission } from '../../../../protocol/roles.ts';
import { view } from '../html.ts';
import { Parts } from '../parts.ts';

/** In their order; who lacks the right of one is not shown the way to it. */
const TABS: readonly { name: string; label: string; needs: Permission }[] = [
  { name: 'overview', label: 'Overview', needs: 'agents.read' },
  { name: 'metrics', label: 'Metrics', needs: 'metrics.read' },
  { name: 'processes', label: 'Processes', needs: 'inspect.read' },
  { name: 'files', label: 'Files', needs: 'files.read' },
  { name: 'logs', label: 'Logs', needs: 'files.read' },
  { name: 'terminal', label: 'Terminal', needs: 'terminal.open' },
  { name: 'commands', label: 'Commands', needs: 'jobs.read' },
  { name: 'recordings', label: 'Recordings', needs: 'recordings.read' },
  { name: 'certificate', label: 'Certificate', needs: 'agents.read' },
  { name: 'audit', label: 'Audit', needs: 'audit.read' },
];

export interface MachineTabsProps {
  /** Of the agent. */
  id: string;
  tab: string;
  may(permission: Permission): boolean;
}

/** The parts of one machine's page. */
export const MachineTabs = ({ id, tab, may }: MachineTabsProps): VNode => {
  const link = (name: string) => `#/agents/${id}/${name}`;
  return view(Parts, {
    name: 'Parts of this machine’s page',
    parts: TABS.filter(({ needs }) => may(needs)).map(({ name, label }) => ({ href: link(name), label })),
    at: link(tab),
  });
};
