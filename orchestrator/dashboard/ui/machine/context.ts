import type { Agent } from '../../../../protocol/rest-fleet.ts';
import type { Permission } from '../../../../protocol/roles.ts';
import type { AgentRef } from '../../net/agent-api.ts';

/** What every tab of an agent's page is given. */
export interface TabProps {
  org: string;
  agent: Agent;
  /** The agent by its identifier, which stays the same when its vm_id is given to another. */
  at: AgentRef;
  query: ReadonlyMap<string, string>;
  may(permission: Permission): boolean;
  /** Reads the agent anew. */
  refresh(): void;
}

export const TAB_NAMES = [
  'overview',
  'metrics',
  'processes',
  'files',
  'logs',
  'commands',
  'certificate',
  'audit',
] as const;
export type TabName = (typeof TAB_NAMES)[number];
