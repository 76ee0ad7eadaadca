import type { Command } from 'commander';
import { type Agent, agentListSchema } from '../../protocol/rest-fleet.ts';
import { CLIENT_HELP, type ClientFlags, clientFor, reporting, withClientFlags } from './client.ts';
import type { CliDeps } from './deps.ts';
import { printJson, table, write } from './print.ts';

interface AgentsFlags extends ClientFlags {
  selector: string;
}

const labelsText = (labels: Agent['labels']): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');

async function list(deps: CliDeps, flags: AgentsFlags): Promise<void> {
  const client = await clientFor(deps, flags);
  const items: Agent[] = [];
  let cursor: string | undefined;
  do {
    const query = { selector: flags.selector, cursor };
    const page = await client.call({ path: '/agents', query, answer: agentListSchema });
    items.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  if (flags.json) return printJson(deps.stdout, { items });
  const rows = items.map((agent) => [
    agent.vm_id,
    agent.state === 'active' ? (agent.online ? 'online' : 'offline') : agent.state,
    agent.last_heartbeat_at?.slice(0, 19).replace('T', ' ') ?? 'never',
    agent.version ?? '-',
    agent.facts?.os_name || '-',
    labelsText(agent.labels),
  ]);
  await write(deps.stdout, table(['VM', 'STATE', 'LAST HEARTBEAT', 'VERSION', 'SYSTEM', 'LABELS'], rows));
}

/** `vm-orchestrator agents`: the fleet. */
export function register(program: Command, deps: CliDeps): void {
  withClientFlags(
    program
      .command('agents')
      .description('List the agents')
      .option(
        '--selector <selector>',
        'which: all, key=value, role!=db, id=<vm_id>; joined by commas',
        'all',
      ),
  )
    .addHelpText('after', `${CLIENT_HELP}\n\nExample:\n  vm-orchestrator agents --selector env=prod --json`)
    .action((flags: AgentsFlags) => reporting(deps, () => list(deps, flags)));
}
