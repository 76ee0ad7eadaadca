import { AppError } from '../../protocol/errors.ts';
import type { AgentId, VmId } from '../../protocol/ids.ts';
import { parseSelector, selectorMatches } from '../../protocol/selector.ts';
import { SHELL_TOOL } from '../../protocol/tool-manifest.ts';
import type { Queryable } from '../store/store.ts';
import { isOnline } from '../tenancy/agent-rows.ts';

export interface Target {
  agentId: AgentId;
  vmId: VmId;
  /** When it was looked at. */
  online: boolean;
  /** False: it has announced its tools, and this one is none of them. */
  hasTool: boolean;
}

const NEVER_ANNOUNCED = '[]';

/** Whether an agent has announced this tool; one that was never connected may have it. */
const mayHaveTool = (tools: string, name: string): boolean =>
  tools === NEVER_ANNOUNCED || (JSON.parse(tools) as string[]).includes(name);

/**
 * The active agents that a selector means now; with `agentIds` those of them that are still active.
 * @throws AppError `invalid_selector`, `no_agents_match`, and `unsupported` when none of them has the tool.
 */
export async function resolveTargets(
  db: Queryable,
  options: { organizationId: string; selector: string; tool: string; agentIds?: ReadonlySet<string> },
): Promise<Target[]> {
  const selector = parseSelector(options.selector);
  const given = options.agentIds !== undefined;
  const ids = selector.flatMap((term) => (term.kind === 'id' && !given ? term.ids : []));
  const byLabel = !given && selector.some((term) => term.kind === 'label');
  let query = db
    .selectFrom('agents')
    .select(['id', 'vm_id', 'connected_at', 'disconnected_at'])
    .$if(byLabel, (q) => q.select(['labels', 'reported_labels']))
    // Every agent has the shell; where its owner switched it off, the agent says so.
    .$if(options.tool !== SHELL_TOOL, (q) => q.select('tools'))
    .where('organization_id', '=', options.organizationId)
    .orderBy('id');
  if (ids.length > 0) query = query.where((e) => e.or([e('id', 'in', ids), e('vm_id', 'in', ids)]));
  const isMeant = (agent: Awaited<ReturnType<typeof query.execute>>[number]): boolean =>
    options.agentIds !== undefined
      ? options.agentIds.has(agent.id)
      : selectorMatches(selector, {
          agent_id: agent.id,
          vm_id: agent.vm_id,
          labels: JSON.parse(agent.labels ?? '{}') as Record<string, string>,
          reported_labels: JSON.parse(agent.reported_labels ?? '{}') as Record<string, string>,
        });
  const agents = (await query.where('state', '=', 'active').execute()).filter(isMeant);
  if (agents.length === 0) {
    const waiting = (await query.where('state', 'in', ['quarantined', 'pending']).execute()).filter(isMeant);
    const [first] = waiting;
    if (first !== undefined)
      throw new AppError('no_agents_match', {
        detail: `No active agent matches "${options.selector}". ${waiting.length === 1 ? `${first.vm_id} does, and waits` : `${waiting.length} do that wait`} to be admitted.`,
        hint: `Why: vm-orchestrator agents show ${first.vm_id}. To let it work: vm-orchestrator agents admit ${first.vm_id}`,
      });
    throw new AppError('no_agents_match', {
      detail: `No active agent matches "${options.selector}".`,
      hint: 'List the agents with `vm-orchestrator agents`; agents that are offline match too.',
    });
  }
  if (!agents.some(({ tools }) => tools === undefined || mayHaveTool(tools, options.tool))) {
    throw new AppError('unsupported', {
      detail: `None of the ${agents.length} selected agents has the tool ${options.tool}.`,
      hint: 'The list of agents names the tools of each.',
    });
  }
  return agents.map((agent) => ({
    agentId: agent.id as AgentId,
    vmId: agent.vm_id as VmId,
    online: isOnline(agent),
    hasTool: agent.tools === undefined || mayHaveTool(agent.tools, options.tool),
  }));
}
